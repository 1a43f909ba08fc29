import { AMOUNTS, amountText, type Amounts, type Limits } from '../format/amounts.ts';
import type { Dependencies } from './dependencies.ts';
import { openRun } from './open-run.ts';
import type { RunReference } from './types.ts';

/** What a run has spent in all, and may spend. */
export interface BudgetNow {
  readonly limits: Limits;
  readonly spent: Amounts;
}

/** Limits to put in force: a number sets one, null takes it away, what is left out stays. */
export type BudgetChange = { readonly [Name in keyof Amounts]?: number | null };

export type BudgetAnswer =
  | ({ readonly kind: 'set' } & BudgetNow)
  | ({ readonly kind: 'refused'; readonly reason: string } & BudgetNow);

/** Reads what a run has spent, all its workers together, and may spend. */
export async function readBudget(deps: Dependencies, run: RunReference): Promise<BudgetNow> {
  const { configuration } = await openRun(deps.store, run);
  const ledger = deps.ledgers.of(run.runName);
  await ledger.look();
  return { limits: ledger.limits, spent: ledger.spent(configuration.prices) };
}

/** Changes what a run may spend, unless that is less than it has spent. In force from the next request of any worker on. */
export async function setBudget(
  deps: Dependencies,
  { run, change }: { readonly run: RunReference; readonly change: BudgetChange },
): Promise<BudgetAnswer> {
  const { limits: before, spent } = await readBudget(deps, run);
  const tooLow = AMOUNTS.find((name) => typeof change[name] === 'number' && change[name] < spent[name]);
  if (tooLow !== undefined) {
    const reason =
      `${tooLow} is ${change[tooLow]}, but the run ${run.runName} has spent ${amountText(tooLow, spent[tooLow])} already: ` +
      'at least that much, or null for no limit';
    return { kind: 'refused', reason, limits: before, spent };
  }
  const limits: Limits = Object.fromEntries(
    Object.entries({ ...before, ...change }).filter(([, limit]) => limit !== null),
  );
  await deps.ledgers.of(run.runName).limit(limits);
  return { kind: 'set', limits, spent };
}
