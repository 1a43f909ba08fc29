/**
 * How far a run is, as the query `progress` answers. A class that knows nothing of Temporal, so that a test can drive it.
 */
import type { Counts } from '../artifacts/reference.ts';
import type { StageWaiting, TrainingNotice, TrainingStep } from '../activities/types.ts';
import { AMOUNTS, type Amounts } from '../format/amounts.ts';
import type { RunProgress, StageProgress } from '../contract/progress.ts';
import type { ShardProgress } from './map-shards-input.ts';
import { hasNumbers } from './well-formed.ts';

/** A stage that begins. */
export type Stage = Pick<StageProgress, 'name' | 'iteration' | 'done' | 'of' | 'unit' | 'workflowId'>;

/** The stage that shows the shards of all benchmarks. */
const EVALUATION = 'evaluateJudge';
const TRAINING = 'fineTune';

export class ProgressTracker {
  #progress: RunProgress;
  readonly #shards = new Map<string, { readonly done: number; readonly shards: number }>();
  /** Why shards wait, by what they belong to. */
  readonly #waits = new Map<string, string>();

  constructor(initial: RunProgress) {
    this.#progress = initial;
  }

  get current(): RunProgress {
    return this.#progress;
  }

  update(change: Partial<RunProgress>): void {
    this.#progress = { ...this.#progress, ...change };
  }

  /** Shows a stage as under way for as long as `work` takes, and keeps what it has counted. */
  async during<T>(stage: Stage, work: () => Promise<T>): Promise<T> {
    const startedAt = new Date().toISOString();
    this.update({ stages: [...this.#progress.stages, { ...stage, startedAt }] });
    try {
      const result = await work();
      const counts = countsOf(result);
      if (counts !== undefined) this.update({ counts: { ...this.#progress.counts, [stage.name]: counts } });
      return result;
    } finally {
      for (const key of this.#waits.keys())
        if (key.startsWith(`${stage.iteration}/${stage.name}/`)) this.#waits.delete(key);
      const rest = this.#progress.stages.filter((other) => !isSame(other, stage));
      this.update({ stages: rest });
    }
  }

  /** Takes a stage's report. Reports may arrive in another order than they were sent in: only more counts. */
  shardsDone({ stage, iteration, benchmark, done, shards, counts, spent }: ShardProgress): void {
    this.spent(spent);
    const name = benchmark === undefined ? stage : EVALUATION;
    const key = `${iteration}/${stage}/${benchmark ?? ''}`;
    if (done < (this.#shards.get(key)?.done ?? 0)) return;
    this.#shards.set(key, { done, shards });
    const ofStage = [...this.#shards].filter(([other]) => other.startsWith(`${iteration}/${stage}/`));
    const sum = (field: 'done' | 'shards') => ofStage.reduce((total, [, counts]) => total + counts[field], 0);
    const stages = this.#progress.stages.map((shown) =>
      shown.name === name && shown.iteration === iteration
        ? {
            ...shown,
            done: sum('done'),
            of: Math.max(sum('shards'), shown.of ?? 0),
            ...(benchmark === undefined ? { counts } : {}),
          }
        : shown,
    );
    this.update({ stages });
  }

  /** Takes what the run had spent when something was done. Reports may arrive in another order: only more counts. */
  spent(spent: Amounts | undefined): void {
    const { budget } = this.#progress;
    if (budget === undefined || !hasNumbers(spent, ...AMOUNTS)) return;
    const most = AMOUNTS.map((name) => [name, Math.max(budget.spent[name], spent[name])] as const);
    this.update({ budget: { ...budget, spent: Object.fromEntries(most) as Amounts } });
  }

  /** Adds what a reader of the figures should know. */
  warn(warnings: readonly string[]): void {
    this.update({ warnings: [...new Set([...this.#progress.warnings, ...warnings])] });
  }

  /** Takes what a training tells beside its steps. */
  noticed({ iteration, stalls, warnings }: TrainingNotice): void {
    this.warn(warnings);
    if (stalls === 0) return;
    const stages = this.#progress.stages.map((shown) =>
      isSame(shown, { name: TRAINING, iteration }) ? { ...shown, stalls } : shown,
    );
    this.update({ stages });
  }

  /** Takes an activity's word that its stage waits, or goes on. */
  stageWaits({ stage, iteration, benchmark = '', shard, waits }: StageWaiting): void {
    const name = stage === 'evaluateBenchmark' ? EVALUATION : stage;
    const key = `${iteration}/${name}/${benchmark}/${shard}`;
    if (typeof waits === 'string') this.#waits.set(key, waits);
    else this.#waits.delete(key);
    const [, reason] = [...this.#waits].find(([other]) => other.startsWith(`${iteration}/${name}/`)) ?? [];
    const stages = this.#progress.stages.map((shown) => {
      if (!isSame(shown, { name, iteration })) return shown;
      const { waits: _, ...rest } = shown;
      return reason === undefined ? rest : { ...rest, waits: reason };
    });
    this.update({ stages });
  }

  /** Takes a training's report. */
  trainedTo({ iteration, step, totalSteps, loss, etaSeconds }: TrainingStep): void {
    const endsAt = new Date(Date.now() + 1000 * etaSeconds).toISOString();
    const stages = this.#progress.stages.map((shown) =>
      isSame(shown, { name: TRAINING, iteration })
        ? { ...shown, done: step, of: totalSteps, unit: 'steps' as const, loss, endsAt }
        : shown,
    );
    this.update({ stages });
  }
}

/** The iteration that is under way; the last one that is done where none is. */
export function currentIteration({ stages, completed }: Pick<RunProgress, 'stages' | 'completed'>): number {
  return Math.max(
    0,
    ...stages.map(({ iteration }) => iteration),
    ...completed.map(({ iteration }) => iteration),
  );
}

/** The last iteration that the run will do, unless it stops early. */
export function lastIteration({
  iterations,
  stopAfter,
}: Pick<RunProgress, 'iterations' | 'stopAfter'>): number {
  return Math.min(iterations, stopAfter ?? iterations);
}

function isSame(a: Stage, b: Stage): boolean {
  return a.name === b.name && a.iteration === b.iteration;
}

/** What a stage's result has counted; an evaluation counts by benchmark, and stands with its figures. */
function countsOf(result: unknown): Counts | undefined {
  const counts = (result as { counts?: Record<string, unknown> } | null | undefined)?.counts;
  if (counts === undefined || Object.values(counts).some((count) => typeof count !== 'number'))
    return undefined;
  return counts as Counts;
}
