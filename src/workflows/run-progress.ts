/**
 * How far a run is, as the query `progress` answers and the Web UI shows. A class that knows nothing of Temporal, so
 * that a test can drive it.
 */
import type { IterationSummary } from '../activities/types.ts';
import type { ShardProgress } from './map-shards-input.ts';

/** `following`: another workflow owns the run, and this one waits for it. */
export type RunPhase = 'planning' | 'working' | 'following' | 'completed' | 'failed' | 'cancelled';

/** The stage that is under way. */
export interface StageProgress {
  readonly name: string;
  readonly iteration: number;
  /** Shards, where the stage has them. */
  readonly done?: number;
  readonly of?: number;
  /** The workflow that does it, where it has one of its own. */
  readonly workflowId?: string;
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
  /** Iterations asked for. */
  readonly iterations: number;
  readonly stages: readonly StageProgress[];
  /** Iteration 0, the seed model, first. */
  readonly completed: readonly IterationSummary[];
  /** The best iteration so far, by the figure that the configuration chooses by. */
  readonly best: number;
  readonly warnings: readonly string[];
  /** Relative to the store, once there is one. */
  readonly report?: string;
}

/** The stage that shows the shards of all benchmarks. */
const EVALUATION = 'evaluateJudge';

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

  /** Shows a stage as under way for as long as `work` takes. */
  async during<T>(stage: StageProgress, work: () => Promise<T>): Promise<T> {
    this.update({ stages: [...this.#progress.stages, stage] });
    try {
      return await work();
    } finally {
      const rest = this.#progress.stages.filter((other) => !isSame(other, stage));
      this.update({ stages: rest });
    }
  }

  /** Takes a stage's report. Reports may arrive in another order than they were sent in: only more counts. */
  shardsDone({ stage, iteration, benchmark, done, shards }: ShardProgress): void {
    const name = benchmark === undefined ? stage : EVALUATION;
    const key = `${iteration}/${stage}/${benchmark ?? ''}`;
    this.#shards.set(key, { done: Math.max(done, this.#shards.get(key)?.done ?? 0), shards });
    const ofStage = [...this.#shards].filter(([other]) => other.startsWith(`${iteration}/${stage}/`));
    const sum = (field: 'done' | 'shards') => ofStage.reduce((total, [, counts]) => total + counts[field], 0);
    const stages = this.#progress.stages.map((shown) =>
      shown.name === name && shown.iteration === iteration
        ? { ...shown, done: sum('done'), of: Math.max(sum('shards'), shown.of ?? 0) }
        : shown,
    );
    this.update({ stages });
  }

  /** Markdown for the Web UI's current details. */
  markdown(): string {
    const { runName, phase, paused, iterations, stages, completed, best, warnings, report } = this.#progress;
    const lines = [
      `**${runName}**: ${phase}${iterations === 0 ? '' : `, iteration ${Math.max(0, ...stages.map(({ iteration }) => iteration), ...completed.map(({ iteration }) => iteration))} of ${iterations}`}`,
    ];
    if (paused !== undefined) lines.push('', `**Paused** since ${paused.since}: ${paused.reason}`, '');
    for (const { name, iteration, done, of } of stages) {
      lines.push(
        `- ${name}, iteration ${iteration}${of === undefined ? '' : `: ${done ?? 0} of ${of} shards`}`,
      );
    }
    if (completed.length > 0) {
      lines.push(
        '',
        '| judge | benchmark | accuracy | position-consistent | share of A | unparsable | training examples |',
      );
      lines.push('|---|---|---:|---:|---:|---:|---:|');
      for (const row of completed) {
        for (const evaluation of row.evaluations) {
          const { benchmark, purpose, accuracy, positionConsistentAccuracy, shareOfA, unparsable } =
            evaluation;
          const judge = `M_${row.iteration}${row.iteration === best ? ' (best)' : ''}`;
          lines.push(
            `| ${judge} | ${benchmark} (${purpose}) | ${percent(accuracy)} | ${percent(positionConsistentAccuracy)} | ${percent(shareOfA)} | ${percent(unparsable)} | ${row.trainingExamples ?? ''} |`,
          );
        }
      }
    }
    for (const warning of warnings) lines.push('', `Warning: ${warning}`);
    if (report !== undefined) lines.push('', `Report: \`${report}\` in the store`);
    return lines.join('\n');
  }
}

function isSame(a: StageProgress, b: StageProgress): boolean {
  return a.name === b.name && a.iteration === b.iteration;
}

export function percent(share: number | null): string {
  return share === null ? '-' : `${(100 * share).toFixed(1)}%`;
}
