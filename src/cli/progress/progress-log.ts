import { formatDuration } from '../../platform/format-duration.ts';
import type { IterationSummary, RunProgress, StageProgress, Wait } from '../../client/index.ts';
import { formatTime } from '../../reporting/figure-text.ts';
import { formatPercent } from '../../platform/format-percent.ts';
import { PREPARATION_STAGES } from '../../api/stages.ts';
import { currentIteration } from '../../api/current-iteration.ts';
import { withoutControlCharacters } from '../core/control-characters.ts';
import { stageOutcome, summarizedOutcome, secondsSince, stageLabel } from './stage-text.ts';

/**
 * The stages that have counts, in their order: those before the first iteration or of a judging, which has no iterations, and
 * those of each iteration.
 */
const STAGES_BEFORE_ITERATIONS: readonly string[] = [
  ...PREPARATION_STAGES,
  'preparePairsToJudge',
  'compareResponses',
  'finishPairsJudging',
];
const COUNTED_ITERATION_STAGES: readonly string[] = ['judgePairs', 'filterJudgments', 'fineTune'];

/** A stage without counts is logged only if it takes at least this long. */
const QUICK_SECONDS = 1;

/**
 * Turns changes of a run's progress into lines: completed stages, judges with their figures, pauses, warnings. The first call
 * returns lines for everything that has happened before.
 */
export class ProgressLog {
  readonly #announced = new Set<string>();
  readonly #warnings = new Set<string>();
  #running: readonly StageProgress[] = [];
  #judges = 0;
  #pausedSince: string | undefined;
  #waits: readonly Wait[] = [];

  /** @param now milliseconds since the epoch */
  newLines(progress: RunProgress, now: number): string[] {
    const lines = [
      ...this.#rolledBack(progress),
      ...this.#ended(progress, now),
      ...this.#judged(progress),
      ...this.#endedBetweenPolls(progress),
      ...this.#warned(progress),
      ...this.#waiting(progress, now),
      ...this.#paused(progress),
    ];
    this.#running = progress.stages;
    return lines;
  }

  /** The run went back to an earlier iteration, after a reset or because an artifact is damaged. */
  #rolledBack({ completedIterations: completed }: RunProgress): string[] {
    if (completed.length >= this.#judges) return [];
    this.#judges = completed.length;
    // Running stages start again.
    this.#running = [];
    const last = completed.at(-1);
    return [`  Starts again from ${last === undefined ? 'the beginning' : `M_${last.iteration}`}.`];
  }

  #paused({ paused }: RunProgress): string[] {
    if (paused?.since === this.#pausedSince) return [];
    this.#pausedSince = paused?.since;
    return [
      paused === undefined
        ? '  Resumed.'
        : `  Paused since ${paused.since}: ${withoutControlCharacters(paused.reason)}`,
    ];
  }

  /** A stage waits for something, for another reason than before, or no longer. */
  #waiting({ waits = [], status, requestedIterations: iterations }: RunProgress, now: number): string[] {
    const before = this.#waits;
    this.#waits = waits;
    const isActive = status !== 'failed' && status !== 'cancelled';
    const ended = before.filter((wait) => isActive && !waits.some((other) => isSameWait(other, wait)));
    const isNew = (wait: Wait) =>
      !before.some((other) => isSameWait(other, wait) && other.reason === wait.reason);
    const label = ({ stage, iteration }: Wait) => stageLabel(stage, iteration, iterations);
    return [
      ...ended.map(
        (wait) =>
          `  No longer waiting: ${label(wait)}, after ${formatDuration(secondsSince(wait.since, now))}.`,
      ),
      ...waits
        .filter(isNew)
        .map(
          (wait) =>
            `  Waiting since ${formatTime(wait.since)}: ${label(wait)}: ${withoutControlCharacters(wait.reason)}`,
        ),
    ];
  }

  #warned({ warnings }: RunProgress): string[] {
    const newWarnings = warnings.filter((warning) => !this.#warnings.has(warning));
    for (const warning of newWarnings) this.#warnings.add(warning);
    return newWarnings.map((warning) => `  Warning: ${withoutControlCharacters(warning)}`);
  }

  /** Stages that have ended since the last call, except those of a completed iteration, which its summary lists. */
  #ended(
    { stages, counts, completedIterations: completed, status, requestedIterations: iterations }: RunProgress,
    now: number,
  ): string[] {
    // A stage that a failure or cancellation interrupted is not complete.
    if (status === 'failed' || status === 'cancelled') return [];
    return this.#running
      .filter((before) => !stages.some((stage) => isSame(stage, before)))
      .filter(({ name, iteration }) => summaryOf(completed, iteration)?.seconds[name] === undefined)
      .flatMap(({ name, iteration, startedAt, loss }) => {
        this.#announced.add(key(iteration, name));
        const lastLoss = loss === undefined ? [] : [`loss ${loss.toFixed(3)}`];
        const what = [stageOutcome(name, counts[name]), ...lastLoss].filter(Boolean).join(', ');
        return stageLine(stageLabel(name, iteration, iterations), secondsSince(startedAt, now), what);
      });
  }

  #judged({ completedIterations: completed, requestedIterations: iterations }: RunProgress): string[] {
    const newSummaries = completed.slice(this.#judges);
    this.#judges = completed.length;
    return newSummaries.flatMap((summary) => {
      const { iteration, seconds } = summary;
      const stages = Object.entries(seconds).filter(([name]) => !this.#announced.has(key(iteration, name)));
      for (const [name] of stages) this.#announced.add(key(iteration, name));
      return [
        ...stages.flatMap(([name, took]) =>
          stageLine(stageLabel(name, iteration, iterations), took, summarizedOutcome(summary, name)),
        ),
        ...judgeLines(summary),
      ];
    });
  }

  /** Stages of the current iteration that ended before the first call, or began and ended between two calls. */
  #endedBetweenPolls(progress: RunProgress): string[] {
    const { stages, counts, completedIterations: completed } = progress;
    const iteration = currentIteration(progress);
    if (summaryOf(completed, iteration) !== undefined) return [];
    const order = iteration === 0 ? STAGES_BEFORE_ITERATIONS : COUNTED_ITERATION_STAGES;
    const running = stages.find(({ name }) => order.includes(name) || name === 'evaluateJudge');
    const position = running === undefined ? -1 : order.indexOf(running.name);
    const before = summaryOf(completed, iteration - 1)?.counts ?? {};
    return order.flatMap((name, index) => {
      const counted = counts[name];
      if (counted === undefined || name === running?.name || this.#announced.has(key(iteration, name)))
        return [];
      // Until the stage ends in this iteration, its counts are those of the previous iteration.
      const isPast = running !== undefined && (position === -1 || index < position);
      if (!isPast && JSON.stringify(counted) === JSON.stringify(before[name])) return [];
      this.#announced.add(key(iteration, name));
      return stageLine(
        stageLabel(name, iteration, progress.requestedIterations),
        undefined,
        stageOutcome(name, counted),
      );
    });
  }
}

function stageLine(label: string, seconds: number | undefined, what: string): string[] {
  if (what === '' && (seconds ?? 0) < QUICK_SECONDS) return [];
  const took = seconds === undefined ? '' : formatDuration(seconds);
  return [`  ${label.padEnd(36)} ${took.padStart(11)}  ${what}`.trimEnd()];
}

function judgeLines({ iteration, evaluations }: IterationSummary): string[] {
  return evaluations.map(
    ({ benchmark, accuracy, positionConsistentAccuracy }) =>
      `  M_${iteration} on ${withoutControlCharacters(benchmark)}: accuracy ${formatPercent(accuracy)}, ` +
      `in both orders ${formatPercent(positionConsistentAccuracy)}`,
  );
}

function summaryOf(completed: readonly IterationSummary[], iteration: number): IterationSummary | undefined {
  return completed.find((summary) => summary.iteration === iteration);
}

function isSame(a: StageProgress, b: StageProgress): boolean {
  return a.name === b.name && a.iteration === b.iteration && a.startedAt === b.startedAt;
}

function isSameWait(a: Wait, b: Wait): boolean {
  return a.workflowId === b.workflowId && a.activity === b.activity;
}

function key(iteration: number, name: string): string {
  return `${iteration}/${name}`;
}
