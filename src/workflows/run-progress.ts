/**
 * How far a run is, as the query `progress` answers. A class that knows nothing of Temporal, so that a test can drive it.
 */
import type { Counts } from '../artifacts/reference.ts';
import type { IterationSummary, TrainingStep } from '../activities/types.ts';
import type { ShardProgress } from './map-shards-input.ts';

/**
 * `following`: another workflow owns the run, and this one waits for it. `finishing`: the last iteration is done, and the
 * result is being written.
 */
export type RunPhase =
  'planning' | 'working' | 'following' | 'finishing' | 'completed' | 'failed' | 'cancelled';

/** A stage that begins. */
export interface Stage {
  readonly name: string;
  readonly iteration: number;
  /** How much of it is done, where that is known. */
  readonly done?: number;
  readonly of?: number;
  /** What `done` and `of` count. */
  readonly unit?: 'shards' | 'steps';
  /** The workflow that does it, where it has one of its own. */
  readonly workflowId?: string;
}

/** A stage that is under way. */
export interface StageProgress extends Stage {
  /** ISO 8601. */
  readonly startedAt: string;
  /** What the stage has counted so far, such as judgments and tokens. */
  readonly counts?: Counts;
  /** The training's last loss. */
  readonly loss?: number;
  /** By its rate so far, or by how long it took last time. */
  readonly secondsLeft?: number | undefined;
}

/** Why and since when nothing new begins. */
export interface Paused {
  readonly reason: string;
  /** ISO 8601. */
  readonly since: string;
}

export interface RunProgress {
  readonly runName: string;
  readonly phase: RunPhase;
  readonly paused?: Paused | undefined;
  /** ISO 8601. */
  readonly startedAt: string;
  /** Iterations asked for. */
  readonly iterations: number;
  /** The iteration after which the run ends though more were asked for, once `stopAfterIteration` has said so. */
  readonly stopAfter?: number | undefined;
  readonly stages: readonly StageProgress[];
  /** What each stage that has ended counted, the newest iteration's where it is repeated. */
  readonly counts: Readonly<Record<string, Counts>>;
  /** Iteration 0, the seed model, first. */
  readonly completed: readonly IterationSummary[];
  /** The best iteration so far, by the figure that the configuration chooses by. */
  readonly best: number;
  readonly warnings: readonly string[];
  /** As a file:// address, once there is one. */
  readonly report?: string;
  /** If every iteration takes as long as the last one; left out before the first one has ended, and during a pause. */
  readonly secondsLeft?: number | undefined;
}

/** The stage that shows the shards of all benchmarks. */
const EVALUATION = 'evaluateJudge';
const TRAINING = 'fineTune';

export class ProgressTracker {
  #progress: RunProgress;
  readonly #shards = new Map<string, { readonly done: number; readonly shards: number }>();

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
      const rest = this.#progress.stages.filter((other) => !isSame(other, stage));
      this.update({ stages: rest });
    }
  }

  /** Takes a stage's report. Reports may arrive in another order than they were sent in: only more counts. */
  shardsDone({ stage, iteration, benchmark, done, shards, counts }: ShardProgress): void {
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

  /** Takes a training's report. */
  trainedTo({ iteration, step, totalSteps, loss }: TrainingStep): void {
    const stages = this.#progress.stages.map((shown) =>
      isSame(shown, { name: TRAINING, iteration })
        ? { ...shown, done: step, of: totalSteps, unit: 'steps' as const, loss }
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
