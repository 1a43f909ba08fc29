import { duration } from '../../src/format/duration.ts';
import type { IterationSummary, RunProgress, StageProgress } from '../../src/client.ts';
import { percent } from '../../src/report/format.ts';
import { currentIteration } from '../../src/workflows/run-progress.ts';
import { plainText } from './plain-text.ts';
import { made, madeBy, secondsSince, stageLabel } from './stage-words.ts';

/**
 * The stages that are counted, in the order in which they are done: before the first iteration of a run or by a judging, which
 * has none, and in each iteration.
 */
const STAGES_BEFORE = [
  'preparePool',
  'categorizeInstructions',
  'selectInstructions',
  'generatePairs',
  'addHumanPairs',
  'preparePairs',
  'preparePairsToJudge',
  'compareResponses',
  'finishPairsJudging',
];
const STAGES_OF_ITERATION = ['judgePairs', 'filterJudgments', 'fineTune'];

/** What takes less and makes nothing is not worth a line. */
const QUICK_SECONDS = 1;

/**
 * Tells what is new in a run's progress, a line each: stages that have ended, judges with their figures, pauses, warnings.
 * The first look tells all that has happened before it.
 */
export class RunNews {
  readonly #told = new Set<string>();
  readonly #warnings = new Set<string>();
  #underWay: readonly StageProgress[] = [];
  #judges = 0;
  #pausedSince: string | undefined;
  #waitsFor: string | undefined;

  /** @param now milliseconds since the epoch */
  in(progress: RunProgress, now: number): string[] {
    const lines = [
      ...this.#goneBack(progress),
      ...this.#ended(progress, now),
      ...this.#judged(progress),
      ...this.#endedUnseen(progress),
      ...this.#warned(progress),
      ...this.#waits(progress),
      ...this.#paused(progress),
    ];
    this.#underWay = progress.stages;
    return lines;
  }

  /** A reset, or an artifact that was found damaged. */
  #goneBack({ completed }: RunProgress): string[] {
    if (completed.length >= this.#judges) return [];
    this.#judges = completed.length;
    // What was under way is done again.
    this.#underWay = [];
    const from = completed.at(-1);
    return [`  Goes again from ${from === undefined ? 'the beginning' : `after M_${from.iteration}`}.`];
  }

  #paused({ paused }: RunProgress): string[] {
    if (paused?.since === this.#pausedSince) return [];
    this.#pausedSince = paused?.since;
    return [
      paused === undefined ? '  Goes on.' : `  Paused since ${paused.since}: ${plainText(paused.reason)}`,
    ];
  }

  /** A stage waits for an endpoint, or goes on. */
  #waits({ stages }: RunProgress): string[] {
    const waits = stages.find((stage) => stage.waits !== undefined)?.waits;
    if (waits === this.#waitsFor) return [];
    this.#waitsFor = waits;
    return [waits === undefined ? '  Waits no longer.' : `  Waits: ${plainText(waits)}`];
  }

  #warned({ warnings }: RunProgress): string[] {
    const fresh = warnings.filter((warning) => !this.#warnings.has(warning));
    for (const warning of fresh) this.#warnings.add(warning);
    return fresh.map((warning) => `  Warning: ${plainText(warning)}`);
  }

  /** Stages that were under way at the last look; those of a judge that is done stand in its summary. */
  #ended({ stages, counts, completed, phase, iterations }: RunProgress, now: number): string[] {
    // What a failure breaks off has not ended.
    if (phase === 'failed' || phase === 'cancelled') return [];
    return this.#underWay
      .filter((before) => !stages.some((stage) => isSame(stage, before)))
      .filter(({ name, iteration }) => summaryOf(completed, iteration)?.seconds[name] === undefined)
      .flatMap(({ name, iteration, startedAt, loss }) => {
        this.#told.add(key(iteration, name));
        const lastLoss = loss === undefined ? [] : [`loss ${loss.toFixed(3)}`];
        const what = [made(name, counts[name]), ...lastLoss].filter(Boolean).join(', ');
        return stageLine(stageLabel(name, iteration, iterations), secondsSince(startedAt, now), what);
      });
  }

  #judged({ completed, iterations }: RunProgress): string[] {
    const fresh = completed.slice(this.#judges);
    this.#judges = completed.length;
    return fresh.flatMap((summary) => {
      const { iteration, seconds } = summary;
      const stages = Object.entries(seconds).filter(([name]) => !this.#told.has(key(iteration, name)));
      for (const [name] of stages) this.#told.add(key(iteration, name));
      return [
        ...stages.flatMap(([name, took]) =>
          stageLine(stageLabel(name, iteration, iterations), took, madeBy(summary, name)),
        ),
        ...judgeLines(summary),
      ];
    });
  }

  /** Stages of the iteration under way that ended before the first look, or between two. */
  #endedUnseen(progress: RunProgress): string[] {
    const { stages, counts, completed } = progress;
    const iteration = currentIteration(progress);
    if (summaryOf(completed, iteration) !== undefined) return [];
    const inOrder = iteration === 0 ? STAGES_BEFORE : STAGES_OF_ITERATION;
    const underWay = stages.find(({ name }) => inOrder.includes(name) || name === 'evaluateJudge');
    const position = underWay === undefined ? -1 : inOrder.indexOf(underWay.name);
    const before = summaryOf(completed, iteration - 1)?.counts ?? {};
    return inOrder.flatMap((name, index) => {
      const counted = counts[name];
      if (counted === undefined || name === underWay?.name || this.#told.has(key(iteration, name))) return [];
      // Counts stay from the last iteration until this one has its own.
      const isPast = underWay !== undefined && (position === -1 || index < position);
      if (!isPast && JSON.stringify(counted) === JSON.stringify(before[name])) return [];
      this.#told.add(key(iteration, name));
      return stageLine(stageLabel(name, iteration, progress.iterations), undefined, made(name, counted));
    });
  }
}

function stageLine(label: string, seconds: number | undefined, what: string): string[] {
  if (what === '' && (seconds ?? 0) < QUICK_SECONDS) return [];
  const took = seconds === undefined ? '' : duration(seconds);
  return [`  ${label.padEnd(36)} ${took.padStart(11)}  ${what}`.trimEnd()];
}

function judgeLines({ iteration, evaluations }: IterationSummary): string[] {
  return evaluations.map(
    ({ benchmark, accuracy, positionConsistentAccuracy }) =>
      `  M_${iteration} on ${plainText(benchmark)}: accuracy ${percent(accuracy)}, ` +
      `in both orders ${percent(positionConsistentAccuracy)}`,
  );
}

function summaryOf(completed: readonly IterationSummary[], iteration: number): IterationSummary | undefined {
  return completed.find((summary) => summary.iteration === iteration);
}

function isSame(a: StageProgress, b: StageProgress): boolean {
  return a.name === b.name && a.iteration === b.iteration && a.startedAt === b.startedAt;
}

function key(iteration: number, name: string): string {
  return `${iteration}/${name}`;
}
