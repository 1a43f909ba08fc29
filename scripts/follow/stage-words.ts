/** A stage in words: what it has made, how fast it goes, how long it takes still. */
import { duration } from '../../src/format/duration.ts';
import { count, percent } from '../../src/report/format.ts';
import type { IterationSummary, StageProgress } from '../../src/client.ts';

type Counts = Readonly<Record<string, number>>;

/** A stage of a run, or other work that is shown like one. */
export type ShownStage = Omit<StageProgress, 'unit' | 'iteration'> & { readonly unit?: string };

const MADE: Readonly<Record<string, (counts: Counts) => string[]>> = {
  preparePool: ({ instructions }) => counted(instructions, 'instructions'),
  categorizeInstructions: (counts) => {
    const categories = Object.entries(counts).filter(([name]) => name.startsWith('category: '));
    const instructions = categories.reduce((sum, [, amount]) => sum + amount, 0);
    return categories.length === 0 ? [] : counted(instructions, 'categorized');
  },
  selectInstructions: ({ selected }) => counted(selected, 'instructions selected'),
  generatePairs: ({ pairs }) => counted(pairs, 'pairs'),
  preparePairs: ({ pairs }) => counted(pairs, 'pairs'),
  addHumanPairs: ({ humanPairs }) => counted(humanPairs, 'human-labelled pairs'),
  judgePairs: ({ judgments, right }) => [
    ...counted(judgments, 'judgments'),
    ...(judgments === undefined || judgments === 0 ? [] : [`${percent((right ?? 0) / judgments)} right`]),
  ],
  filterJudgments: ({ trainingExamples }) => counted(trainingExamples, 'training examples'),
  fineTune: ({ steps }) => counted(steps, 'steps'),
  preparePairsToJudge: ({ pairs }) => counted(pairs, 'pairs to judge'),
  compareResponses: ({ pairs, judgments, noVerdict }) => [
    ...counted(pairs, 'pairs'),
    ...counted(judgments, 'judgments'),
    ...(noVerdict === undefined || noVerdict === 0 ? [] : counted(noVerdict, 'pairs without a verdict')),
  ],
};

/** A stage as it is called beside others; work without training has no iterations. */
export function stageLabel(name: string, iteration: number, iterations: number): string {
  return iterations === 0 ? name : `iteration ${iteration}  ${name}`;
}

/** What an ended stage has made, such as "1,160 judgments, 46.0% right"; nothing where it makes nothing that is counted. */
export function made(stage: string, counts: Counts | undefined): string {
  return counts === undefined ? '' : (MADE[stage]?.(counts) ?? []).join(', ');
}

/** The same of a stage of an iteration that is done. */
export function madeBy({ counts, evaluations, training }: IterationSummary, stage: string): string {
  if (stage === 'evaluateJudge')
    return `${count(evaluations.reduce((sum, { pairs }) => sum + pairs, 0))} pairs in both orders`;
  const words = made(stage, counts[stage]);
  return stage === 'fineTune' && training !== undefined
    ? `${words}, mean loss ${training.meanLoss.toFixed(3)}`
    : words;
}

function counted(value: number | undefined, what: string): string[] {
  return value === undefined ? [] : [`${count(value)} ${what}`];
}

/** Seconds since a stage has begun; clocks of two machines may differ. */
export function secondsSince(startedAt: string, now: number): number {
  return Math.max(0, (now - Date.parse(startedAt)) / 1000);
}

/**
 * How fast a stage goes on average since it began, the most telling first: judgments, pairs or steps, then tokens of the
 * answers; the loss of a training. Empty before something is done.
 *
 * @param now milliseconds since the epoch
 */
export function rates(stage: ShownStage, now: number): string[] {
  const { counts = {}, startedAt, done = 0, unit, loss } = stage;
  const seconds = secondsSince(startedAt, now);
  const main = ['judgments', 'pairs', 'instructions'].find((name) => counts[name] !== undefined);
  return [
    ...(unit === 'steps' ? rate(done, seconds, 'steps') : []),
    ...(main === undefined ? [] : rate(counts[main] ?? 0, seconds, main)),
    ...(loss === undefined ? [] : [`loss ${loss.toFixed(3)}`]),
    ...rate(counts['completionTokens'] ?? 0, seconds, 'tokens'),
  ];
}

/** Slow ones by the minute, so that there is something to read. */
function rate(amount: number, seconds: number, what: string): string[] {
  if (amount === 0 || seconds === 0) return [];
  const each = amount / seconds;
  return each < 0.1 ? [`${short(60 * each)} ${what}/min`] : [`${short(each)} ${what}/s`];
}

function short(value: number): string {
  if (value >= 1e6) return `${(value / 1e6).toFixed(1)}M`;
  if (value >= 1e3) return `${(value / 1e3).toFixed(1)}k`;
  return value.toFixed(value < 10 ? 1 : 0);
}

/** "20 s left", or "3.0 s so far" where nobody knows how long. */
export function timeOf({ secondsLeft, startedAt }: ShownStage, now: number): string {
  return secondsLeft === undefined
    ? `${duration(secondsSince(startedAt, now))} so far`
    : `${duration(secondsLeft)} left`;
}
