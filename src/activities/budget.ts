import {
  BUDGET_UNITS,
  formatUsage,
  type BudgetChange,
  type BudgetLimits,
  type BudgetStatus,
  type SetBudgetResult,
} from '../api/budget.ts';
import type { Dependencies } from './dependencies.ts';
import { openModels } from '../runs/open-run.ts';
import type { RunReference } from '../api/activity-types.ts';

/** Reads the usage of a run over all its workers, and its limits. */
export async function readBudget(deps: Dependencies, run: RunReference): Promise<BudgetStatus> {
  const { configuration } = await openModels(deps.store, run);
  const ledger = deps.ledgers.forRun(run.runName);
  await ledger.refresh();
  return { limits: ledger.limits, usage: ledger.usage(configuration.prices) };
}

/**
 * Changes a run's limits, unless a new limit is below the usage so far. The limits hold from the next request of every
 * worker.
 */
export async function setBudget(
  deps: Dependencies,
  { run, change }: { readonly run: RunReference; readonly change: BudgetChange },
): Promise<SetBudgetResult> {
  const { limits: before, usage: spent } = await readBudget(deps, run);
  const tooLow = BUDGET_UNITS.find((name) => typeof change[name] === 'number' && change[name] < spent[name]);
  if (tooLow !== undefined) {
    const reason =
      `${tooLow} is ${change[tooLow]}, but the run ${run.runName} has spent ${formatUsage(tooLow, spent[tooLow])} already: ` +
      'set a limit above that, or null for no limit';
    return { kind: 'rejected', reason, limits: before, usage: spent };
  }
  const limits: BudgetLimits = Object.fromEntries(
    Object.entries({ ...before, ...change }).filter(([, limit]) => limit !== null),
  );
  await deps.ledgers.forRun(run.runName).setLimits(limits);
  return { kind: 'set', limits, usage: spent };
}
