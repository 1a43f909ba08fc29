/**
 * Pauses a run whose budget is exhausted until the budget is raised. Usage and limits are in the store, where every worker
 * checks them before each request (src/runs/usage/usage-ledger.ts).
 */
import { ActivityFailure, CancellationScope, condition, log, workflowInfo } from '@temporalio/workflow';
import type { BudgetChange, BudgetStatus } from '../api/budget.ts';
import type { RunPlan } from '../api/activity-types.ts';
import type { Paused, RunProgress } from '../api/progress.ts';
import {
  type BudgetUnit,
  BUDGET_UNITS,
  formatUsage,
  budgetOption,
  suggestedLimit,
  isWholeNumberUnit,
  reachedLimits,
} from '../api/budget.ts';
import type { PauseGate } from './pause.ts';
import { limitedRetryActivities } from './activity-proxies.ts';
import { requestFields, updateRejected, requireActiveRun } from './update-validation.ts';
import type { ProgressTracker } from './progress-tracker.ts';
import type { ReportQueue } from './report-queue.ts';

/** The parts of a planned run that the budget needs. */
interface BudgetContext {
  readonly plan: Pick<RunPlan, 'run' | 'missingPrices'>;
}

/** Pauses a run whose budget is exhausted, and changes the budget. A pause by a person is left in force. */
export class RunBudget {
  readonly #tracker: ProgressTracker;
  readonly #gate: PauseGate;
  readonly #reports: ReportQueue;
  readonly #show: () => void;
  #context: BudgetContext | undefined;
  #isChanging = false;
  #isCheckDue = false;

  /**
   * @param reports gets a report when the run pauses or continues
   * @param show publishes the progress of the run
   */
  constructor(tracker: ProgressTracker, gate: PauseGate, reports: ReportQueue, show: () => void) {
    this.#tracker = tracker;
    this.#gate = gate;
    this.#reports = reports;
    this.#show = show;
  }

  /** Connects the budget with a planned run; from then on it can be changed. */
  attach(context: BudgetContext): void {
    this.#context = context;
  }

  /**
   * A worker found the budget exhausted: pauses the run, unless the budget has been raised meanwhile. Either way the
   * waiting stages are signalled; if the store cannot be read, they are not, and report again.
   */
  async handleExhausted(): Promise<void> {
    const context = this.#context;
    // Several shards report this at once: one check that starts after their reports is enough for all of them.
    if (context === undefined || this.#isCheckDue || !mayPause(this.#tracker.current)) return;
    this.#isCheckDue = true;
    await this.#runExclusively(async () => {
      this.#isCheckDue = false;
      const now = await readBudgetStatus(context.plan);
      if (now !== undefined) await this.#apply(now);
    });
  }

  /**
   * @throws ApplicationFailure if a limit is below the current usage
   * @throws ActivityFailure if the store cannot be read or written
   */
  async change(change: BudgetChange): Promise<void> {
    await this.#runExclusively(async () => {
      const context = this.#context;
      if (context === undefined) throw rejectWhilePlanning(this.#tracker.current);
      const answer = await limitedRetryActivities.setBudget.executeWithOptions(
        { summary: 'change the budget' },
        [{ run: context.plan.run, change }],
      );
      if (answer.kind === 'rejected') throw updateRejected(answer.reason);
      await this.#apply(answer);
    });
  }

  /** @throws ApplicationFailure if the request is invalid, or the run cannot be changed now */
  validateChange(request: unknown): void {
    const usage = 'setBudget takes an object such as {"tokens": 2000000}; null removes a limit';
    const fields = requestFields(request, BUDGET_UNITS, usage);
    const { runName, status } = this.#tracker.current;
    requireActiveRun(runName, status);
    if (this.#context === undefined) throw rejectWhilePlanning(this.#tracker.current);
    if (Object.keys(fields).length === 0) throw updateRejected(`no limit is given; ${usage}`);
    for (const [name, value] of Object.entries(fields)) {
      const allowsFractions = !isWholeNumberUnit(name as BudgetUnit);
      const isNumber = typeof value === 'number' && Number.isFinite(value) && value > 0;
      if (value === null || (isNumber && (allowsFractions || Number.isInteger(value)))) continue;
      const kind = allowsFractions ? 'a number' : 'a whole number';
      throw updateRejected(
        `${name} is ${JSON.stringify(value)}, but must be ${kind} above 0, or null for no limit`,
      );
    }
    const { missingPrices = [] } = this.#context.plan;
    if (typeof fields['usd'] === 'number' && missingPrices.length > 0)
      throw updateRejected(
        `usd needs prices that the run's configuration lacks: ${missingPrices.join(', ')}`,
      );
  }

  /** Runs changes one after the other; not cancellable, because a cancelled handler would end the run before its cleanup. */
  #runExclusively(work: () => Promise<void>): Promise<void> {
    return CancellationScope.nonCancellable(async () => {
      while (this.#isChanging) await condition(() => !this.#isChanging);
      this.#isChanging = true;
      try {
        await work();
      } finally {
        this.#isChanging = false;
      }
    });
  }

  /** Pauses or resumes the run, as usage and limits require. */
  async #apply({ limits, usage }: BudgetStatus): Promise<void> {
    const { budget: before, paused } = this.#tracker.current;
    const exhausted = exhaustedPause({ limits, usage }, before?.exhausted);
    const isPausedByUser = paused !== undefined && paused.by !== 'budget';
    const hasLimits = Object.keys(limits).length > 0;
    this.#tracker.update({
      budget: hasLimits ? { limits, usage, ...(exhausted === undefined ? {} : { exhausted }) } : undefined,
      paused: isPausedByUser ? paused : exhausted,
    });
    this.#show();
    await this.#gate.setPaused(this.#tracker.current.paused);
    if ((before?.exhausted === undefined) !== (exhausted === undefined))
      this.#reports.add(exhausted === undefined ? 'running' : 'paused');
  }
}

/** Undefined if the store cannot be read. */
async function readBudgetStatus({ run }: BudgetContext['plan']): Promise<BudgetStatus | undefined> {
  try {
    return await limitedRetryActivities.readBudget.executeWithOptions({ summary: 'read usage and limits' }, [
      run,
    ]);
  } catch (error) {
    if (!(error instanceof ActivityFailure)) throw error;
    log.warn('the usage of the run could not be read', { reason: error.cause?.message });
    return undefined;
  }
}

/** The pause of an exhausted budget, which keeps the start of an earlier one; undefined if no limit is reached. */
function exhaustedPause({ limits, usage }: BudgetStatus, before: Paused | undefined): Paused | undefined {
  const names = reachedLimits(limits, usage);
  if (names.length === 0) return undefined;
  const { workflowId } = workflowInfo();
  const exhaustedLimits = names.map(
    (name) => `${formatUsage(name, usage[name])} of ${formatUsage(name, limits[name] ?? 0)}`,
  );
  const suggestedLimits = names.map(
    (name) => [name, suggestedLimit(name, limits[name] ?? 0, usage[name])] as const,
  );
  const options = suggestedLimits.map(([name, limit]) => `${budgetOption(name)} ${limit}`).join(' ');
  const reason =
    `the budget is exhausted: ${exhaustedLimits.join(', ')}. To continue: self-taught-evaluator set-budget ${workflowId} ${options}; or ` +
    `temporal workflow update execute --workflow-id ${workflowId} --name setBudget --input '${JSON.stringify(Object.fromEntries(suggestedLimits))}'`;
  return { reason, since: before?.since ?? new Date().toISOString(), by: 'budget' };
}

/** Returns whether the run has started its stages and not ended, paused or not. */
function mayPause({ status }: RunProgress): boolean {
  return status === 'running' || status === 'paused';
}

function rejectWhilePlanning({ runName }: Pick<RunProgress, 'runName'>) {
  return updateRejected(`the run ${runName} is still reading its configuration: try again in a moment`);
}
