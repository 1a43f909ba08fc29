/**
 * A run that has spent what it may pauses until it may spend more. What is spent and what may be stands in the store, where
 * every worker looks before each request (src/spending/ledger.ts); here is what the run makes of it.
 */
import { ActivityFailure, CancellationScope, condition, log, workflowInfo } from '@temporalio/workflow';
import type { BudgetChange, BudgetNow } from '../activities/budget.ts';
import type { RunPlan } from '../activities/types.ts';
import type { Paused, RunProgress } from '../contract/progress.ts';
import {
  type Amount,
  AMOUNTS,
  amountText,
  budgetOption,
  enoughFor,
  isCounted,
  limitsReached,
} from '../format/amounts.ts';
import type { PauseGate } from './pause.ts';
import { lightTried } from './proxies.ts';
import { fieldsOf, refused, requireOwnWork } from './refused.ts';
import type { ProgressTracker } from './run-progress.ts';

/** What the run knows of itself once it is planned. */
interface Known {
  readonly plan: Pick<RunPlan, 'run' | 'missingPrices'>;
  /** Writes the report of a run that has paused, or that goes on. */
  readonly report: (status: 'paused' | 'running') => Promise<void>;
}

/** Pauses a run whose budget is spent, and changes the budget. What a person has paused stays so. */
export class RunBudget {
  readonly #tracker: ProgressTracker;
  readonly #gate: PauseGate;
  readonly #show: () => void;
  #known: Known | undefined;
  #isChanging = false;
  #isLookDue = false;
  #reportsDue = 0;
  #lastReport: Promise<void> = Promise.resolve();

  /** @param show shows where the run is */
  constructor(tracker: ProgressTracker, gate: PauseGate, show: () => void) {
    this.#tracker = tracker;
    this.#gate = gate;
    this.#show = show;
  }

  /** From when on it can be changed. */
  known(known: Known): void {
    this.#known = known;
  }

  /**
   * Something was kept from spending more: pauses the run, unless it may again by now. Either way those that wait for
   * an answer are told, unless the store can't be read: they ask again.
   */
  async reached(): Promise<void> {
    const known = this.#known;
    // Several shards say so at once: one look that begins after them is enough, and all of them hear of what it finds.
    if (known === undefined || this.#isLookDue || this.#tracker.current.phase !== 'working') return;
    this.#isLookDue = true;
    await this.#changing(async () => {
      this.#isLookDue = false;
      const now = await read(known.plan);
      if (now !== undefined) await this.#take(now, known);
    });
  }

  /** Whether a report of it is still to be written. */
  get isReporting(): boolean {
    return this.#reportsDue > 0;
  }

  /**
   * @throws ApplicationFailure where that is less than what is spent already.
   * @throws ActivityFailure where the store can't be read or written.
   */
  async set(change: BudgetChange): Promise<void> {
    await this.#changing(async () => {
      const known = this.#known;
      if (known === undefined) throw stillPlanning(this.#tracker.current);
      const answer = await lightTried.setBudget.executeWithOptions({ summary: 'change what may be spent' }, [
        { run: known.plan.run, change },
      ]);
      if (answer.kind === 'refused') throw refused(answer.reason);
      await this.#take(answer, known);
    });
  }

  /** @throws ApplicationFailure naming what is wrong with the request, or why this run can't be changed now */
  requireChange(request: unknown): void {
    const usage = 'setBudget takes an object such as {"tokens": 2000000}; null takes a limit away';
    const fields = fieldsOf(request, AMOUNTS, usage);
    const { runName, phase } = this.#tracker.current;
    requireOwnWork(runName, phase);
    if (this.#known === undefined) throw stillPlanning(this.#tracker.current);
    if (Object.keys(fields).length === 0) throw refused(`nothing is given; ${usage}`);
    for (const [name, value] of Object.entries(fields)) {
      const mayBeBroken = !isCounted(name as Amount);
      const isNumber = typeof value === 'number' && Number.isFinite(value) && value > 0;
      if (value === null || (isNumber && (mayBeBroken || Number.isInteger(value)))) continue;
      const kind = mayBeBroken ? 'a number' : 'a whole number';
      throw refused(`${name} is ${JSON.stringify(value)}, and must be ${kind} above 0, or null for no limit`);
    }
    const { missingPrices = [] } = this.#known.plan;
    if (typeof fields['usd'] === 'number' && missingPrices.length > 0)
      throw refused(`usd needs prices that the run's configuration lacks: ${missingPrices.join(', ')}`);
  }

  /** One after the other; what ends a handler while the run is cancelled would end the run before it has tidied up. */
  #changing(work: () => Promise<void>): Promise<void> {
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

  /** Pauses the run, or lets it go on, as what is spent and may be spent says. */
  async #take({ limits, spent }: BudgetNow, { report }: Known): Promise<void> {
    const { budget: before, paused } = this.#tracker.current;
    const reached = reachedBy({ limits, spent }, before?.reached);
    const isPersons = paused !== undefined && paused.by !== 'budget';
    const hasLimits = Object.keys(limits).length > 0;
    this.#tracker.update({
      budget: hasLimits ? { limits, spent, ...(reached === undefined ? {} : { reached }) } : undefined,
      paused: isPersons ? paused : reached,
    });
    this.#show();
    await this.#gate.change(this.#tracker.current.paused);
    if ((before?.reached === undefined) !== (reached === undefined))
      this.#reportSoon(() => report(reached === undefined ? 'running' : 'paused'));
  }

  /** One after the other. Who has asked for a change needn't wait for it to be told. */
  #reportSoon(report: () => Promise<void>): void {
    this.#reportsDue += 1;
    this.#lastReport = this.#lastReport
      .then(() => CancellationScope.nonCancellable(report))
      .finally(() => {
        this.#reportsDue -= 1;
      });
  }
}

/** Undefined where the store can't be read. */
async function read({ run }: Known['plan']): Promise<BudgetNow | undefined> {
  try {
    return await lightTried.readBudget.executeWithOptions({ summary: 'what is spent, and may be' }, [run]);
  } catch (error) {
    if (!(error instanceof ActivityFailure)) throw error;
    log.warn('what the run has spent could not be read', { reason: error.cause?.message });
    return undefined;
  }
}

/** The pause of a budget that is spent, its beginning that of the one before; undefined where it isn't spent. */
function reachedBy({ limits, spent }: BudgetNow, before: Paused | undefined): Paused | undefined {
  const names = limitsReached(limits, spent);
  if (names.length === 0) return undefined;
  const { workflowId } = workflowInfo();
  const those = names.map(
    (name) => `${amountText(name, spent[name])} of ${amountText(name, limits[name] ?? 0)}`,
  );
  const more = names.map((name) => [name, enoughFor(name, limits[name] ?? 0, spent[name])] as const);
  const options = more.map(([name, limit]) => `${budgetOption(name)} ${limit}`).join(' ');
  const reason =
    `the budget is spent, ${those.join(', ')}. To go on: self-taught-evaluator set-budget ${workflowId} ${options}; or ` +
    `temporal workflow update execute --workflow-id ${workflowId} --name setBudget --input '${JSON.stringify(Object.fromEntries(more))}'`;
  return { reason, since: before?.since ?? new Date().toISOString(), by: 'budget' };
}

function stillPlanning({ runName }: Pick<RunProgress, 'runName'>) {
  return refused(`the run ${runName} is still reading its configuration: ask again in a moment`);
}
