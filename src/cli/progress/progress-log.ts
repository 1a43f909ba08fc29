import { formatDuration } from '../../platform/format-duration.ts';
import type { EndedStage, IterationSummary, RunProgress, Wait } from '../../client/index.ts';
import { formatTime } from '../../reporting/figure-text.ts';
import { formatPercent } from '../../platform/format-percent.ts';
import { oneLine } from '../../platform/shown-text.ts';
import { stageOutcome, summarizedOutcome, secondsSince, stageLabel } from './stage-text.ts';

/** A stage without counts is logged only if it takes at least this long. */
const QUICK_SECONDS = 1;

/**
 * Turns changes of a run's progress into lines: completed stages, judges with their figures, pauses, warnings. The first call
 * returns lines for everything that has happened before.
 */
export class ProgressLog {
  /** Stages that were logged, by iteration and name, and the ended stages among them, by their start too. */
  readonly #announced = new Set<string>();
  readonly #warnings = new Set<string>();
  #judges = 0;
  #pausedSince: string | undefined;
  #waits: readonly Wait[] = [];

  /** @param now milliseconds since the epoch */
  newLines(progress: RunProgress, now: number): string[] {
    return [
      ...this.#rolledBack(progress),
      ...this.#judged(progress),
      ...this.#ended(progress),
      ...this.#warned(progress),
      ...this.#waiting(progress, now),
      ...this.#paused(progress),
    ];
  }

  /** The run went back to an earlier iteration, after a reset or because an artifact is damaged. */
  #rolledBack({ completedIterations: completed }: RunProgress): string[] {
    if (completed.length >= this.#judges) return [];
    this.#judges = completed.length;
    // Stages are done, and logged, again.
    this.#announced.clear();
    const last = completed.at(-1);
    return [`  Starts again from ${last === undefined ? 'the beginning' : `M_${last.iteration}`}.`];
  }

  #paused({ paused }: RunProgress): string[] {
    if (paused?.since === this.#pausedSince) return [];
    this.#pausedSince = paused?.since;
    return [
      paused === undefined ? '  Resumed.' : `  Paused since ${paused.since}: ${oneLine(paused.reason)}`,
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
        .map((wait) => `  Waiting since ${formatTime(wait.since)}: ${label(wait)}: ${oneLine(wait.reason)}`),
    ];
  }

  #warned({ warnings }: RunProgress): string[] {
    const newWarnings = warnings.filter((warning) => !this.#warnings.has(warning));
    for (const warning of newWarnings) this.#warnings.add(warning);
    return newWarnings.map((warning) => `  Warning: ${oneLine(warning)}`);
  }

  /** Stages that have ended since the last call, of iterations that are not complete. */
  #ended({ endedStages = [], requestedIterations: iterations }: RunProgress): string[] {
    const isNew = (stage: EndedStage) =>
      !this.#announced.has(`${stage.startedAt} ${key(stage.iteration, stage.name)}`);
    return endedStages.filter(isNew).flatMap((stage) => {
      const { name, iteration, startedAt, seconds, counts, loss } = stage;
      this.#announced.add(key(iteration, name)).add(`${startedAt} ${key(iteration, name)}`);
      const lastLoss = loss === undefined ? [] : [`loss ${loss.toFixed(3)}`];
      const what = [stageOutcome(name, counts), ...lastLoss].filter(Boolean).join(', ');
      return stageLine(stageLabel(name, iteration, iterations), seconds, what);
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
}

function stageLine(label: string, seconds: number, what: string): string[] {
  if (what === '' && seconds < QUICK_SECONDS) return [];
  const took = formatDuration(seconds);
  return [`  ${label.padEnd(36)} ${took.padStart(11)}  ${what}`.trimEnd()];
}

function judgeLines({ iteration, evaluations }: IterationSummary): string[] {
  return evaluations.map(
    ({ benchmark, accuracy, positionConsistentAccuracy }) =>
      `  M_${iteration} on ${oneLine(benchmark)}: accuracy ${formatPercent(accuracy)}, ` +
      `in both orders ${formatPercent(positionConsistentAccuracy)}`,
  );
}

function isSameWait(a: Wait, b: Wait): boolean {
  return a.workflowId === b.workflowId && a.activity === b.activity;
}

function key(iteration: number, name: string): string {
  return `${iteration}/${name}`;
}
