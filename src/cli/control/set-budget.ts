import type { BudgetChange } from '../../client/index.ts';
import { type BudgetUnit, BUDGET_UNITS, formatUsage, budgetOption } from '../../api/budget.ts';
import { CommandError } from '../core/command-error.ts';
import type { ControlRequest } from './control-run.ts';

/**
 * The request that changes a run's budget as the options say.
 * @throws CommandError if no option is given, or a value is not a number
 */
export function budgetControlRequest(
  options: Readonly<Record<BudgetUnit, string | undefined>>,
): ControlRequest {
  const request: BudgetChange = Object.fromEntries(
    BUDGET_UNITS.flatMap((name) => {
      const text = options[name];
      return text === undefined ? [] : [[name, parseLimit(budgetOption(name), text)]];
    }),
  );
  if (Object.keys(request).length === 0)
    throw new CommandError(
      'usage',
      `Give at least one of ${BUDGET_UNITS.map(budgetOption).join(', ')}: a number, or "none" for no limit.`,
    );
  return {
    appliesTo: 'runs',
    send: (run) => run.setBudget(request),
    confirmation: ({ runName, budget, paused }) => {
      const limits = BUDGET_UNITS.flatMap((name) => {
        const limit = budget?.limits[name];
        return limit === undefined ? [] : [formatUsage(name, limit)];
      });
      const permission =
        limits.length === 0 ? 'may spend without a limit' : `may spend up to ${limits.join(' and up to ')}`;
      return `${runName} ${permission}.${paused === undefined ? '' : ` It stays paused: ${paused.reason}`}`;
    },
  };
}

function parseLimit(option: string, text: string): number | null {
  if (text === 'none') return null;
  if (/^\d+(\.\d+)?(e\d+)?$/.test(text) && Number(text) > 0) return Number(text);
  throw new CommandError(
    'usage',
    `${option} is ${JSON.stringify(text)}, but must be a number above 0 such as 2000000 or 2e6, or "none" for no limit.`,
  );
}
