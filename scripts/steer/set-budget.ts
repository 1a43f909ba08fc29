import type { BudgetRequest } from '../../src/client.ts';
import { type Amount, AMOUNTS, amountText, budgetOption } from '../../src/format/amounts.ts';
import { CommandError } from '../cli/command-error.ts';
import type { Order } from './steer.ts';

/**
 * The order that changes a run's budget, from what the options say.
 * @throws CommandError where nothing is given, or something that is no number
 */
export function budgetOrder(given: Readonly<Record<Amount, string | undefined>>): Order {
  const request: BudgetRequest = Object.fromEntries(
    AMOUNTS.flatMap((name) => {
      const text = given[name];
      return text === undefined ? [] : [[name, limitIn(budgetOption(name), text)]];
    }),
  );
  if (Object.keys(request).length === 0)
    throw new CommandError(
      'usage',
      `What may it spend? Give one of ${AMOUNTS.map(budgetOption).join(', ')}: a number, or "none" for no limit.`,
    );
  return {
    takenBy: 'runs',
    tell: (run) => run.setBudget(request),
    done: ({ runName, budget, paused }) => {
      const limits = AMOUNTS.flatMap((name) => {
        const limit = budget?.limits[name];
        return limit === undefined ? [] : [amountText(name, limit)];
      });
      const may =
        limits.length === 0 ? 'may spend without a limit' : `may spend up to ${limits.join(' and up to ')}`;
      return `${runName} ${may}.${paused === undefined ? '' : ` It stays paused: ${paused.reason}`}`;
    },
  };
}

function limitIn(option: string, text: string): number | null {
  if (text === 'none') return null;
  if (/^\d+(\.\d+)?(e\d+)?$/.test(text) && Number(text) > 0) return Number(text);
  throw new CommandError(
    'usage',
    `${option} is ${JSON.stringify(text)}, and must be a number above 0 such as 2000000 or 2e6, or "none" for no limit.`,
  );
}
