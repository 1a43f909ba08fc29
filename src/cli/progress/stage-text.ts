/** Texts about a stage: its results, rates and remaining time. */
import { formatDuration } from '../../platform/format-duration.ts';
import { formatCount } from '../../reporting/figure-text.ts';
import { formatPercent } from '../../platform/format-percent.ts';
import type { IterationSummary, RunProgress, StageProgress } from '../../client/index.ts';

type Counts = Readonly<Record<string, number>>;

/** A stage of a run, or other work that is displayed like one. */
export type DisplayedStage = Omit<StageProgress, 'unit' | 'iteration'> & {
  readonly unit?: string;
  /** ISO 8601; set while it waits for something. */
  readonly waitingSince?: string | undefined;
};

/** The running stages of a run, with the start of what each waits for. */
export function displayedStages({ stages, waits = [] }: RunProgress): (DisplayedStage & StageProgress)[] {
  return stages.map((stage) => {
    const own = waits.filter((wait) => wait.stage === stage.name && wait.iteration === stage.iteration);
    const [waitingSince] = own.map(({ since }) => since).toSorted();
    return waitingSince === undefined ? stage : { ...stage, waitingSince };
  });
}

const OUTCOME_TEXTS: Readonly<Record<string, (counts: Counts) => string[]>> = {
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
  planJudgments: ({ plans }) => counted(plans, 'plans'),
  prepareTasks: ({ taskRecords }) => counted(taskRecords, 'records of other tasks'),
  judgePairs: ({ judgments, correctJudgments }) => [
    ...counted(judgments, 'judgments'),
    ...(judgments === undefined || judgments === 0
      ? []
      : [`${formatPercent((correctJudgments ?? 0) / judgments)} correct`]),
  ],
  filterJudgments: ({ trainingExamples }) => counted(trainingExamples, 'training examples'),
  fineTune: ({ steps }) => counted(steps, 'steps'),
  selectCheckpoint: ({ checkpoints }) => counted(checkpoints, 'checkpoints compared'),
  preparePairsToJudge: ({ pairs }) => counted(pairs, 'pairs to judge'),
  compareResponses: ({ pairs, judgments, unparsableJudgments }) => [
    ...counted(pairs, 'pairs'),
    ...counted(judgments, 'judgments'),
    ...(unparsableJudgments === undefined || unparsableJudgments === 0
      ? []
      : counted(unparsableJudgments, 'pairs without a verdict')),
  ],
};

/** The label of a stage; work without training has no iterations. */
export function stageLabel(name: string, iteration: number, iterations: number): string {
  return iterations === 0 ? name : `iteration ${iteration}  ${name}`;
}

/** The results of a completed stage, such as "1,160 judgments, 46.0% correct"; empty if it has no counts. */
export function stageOutcome(stage: string, counts: Counts | undefined): string {
  return counts === undefined ? '' : (OUTCOME_TEXTS[stage]?.(counts) ?? []).join(', ');
}

/** The results of a stage of a completed iteration. */
export function summarizedOutcome(
  { counts, evaluations, training }: IterationSummary,
  stage: string,
): string {
  if (stage === 'evaluateJudge')
    return `${formatCount(evaluations.reduce((sum, { pairs }) => sum + pairs, 0))} pairs in both orders`;
  const outcome = stageOutcome(stage, counts[stage]);
  return stage === 'fineTune' && training !== undefined
    ? `${outcome}, mean loss ${training.meanLoss.toFixed(3)}`
    : outcome;
}

function counted(value: number | undefined, what: string): string[] {
  return value === undefined ? [] : [`${formatCount(value)} ${what}`];
}

/** Seconds since a stage began; never negative, although the clocks of two machines may differ. */
export function secondsSince(startedAt: string, now: number): number {
  return Math.max(0, (now - Date.parse(startedAt)) / 1000);
}

/**
 * The average rates of a stage since it began, the most important first: steps, judgments or pairs, the loss of a training,
 * generated tokens. Empty if nothing is done yet.
 *
 * @param now milliseconds since the epoch
 */
export function rates(stage: DisplayedStage, now: number): string[] {
  const { counts = {}, startedAt, done = 0, unit, loss } = stage;
  const seconds = secondsSince(startedAt, now);
  const main = ['judgments', 'plans', 'pairs', 'instructions'].find((name) => counts[name] !== undefined);
  return [
    ...(unit === 'steps' ? rate(done, seconds, 'steps') : []),
    ...(main === undefined ? [] : rate(counts[main] ?? 0, seconds, main)),
    ...(loss === undefined ? [] : [`loss ${loss.toFixed(3)}`]),
    ...rate(counts['completionTokens'] ?? 0, seconds, 'tokens'),
  ];
}

/** The rate per second, or per minute if it is low. */
function rate(amount: number, seconds: number, what: string): string[] {
  if (amount === 0 || seconds === 0) return [];
  const perSecond = amount / seconds;
  return perSecond < 0.1
    ? [`${compactNumber(60 * perSecond)} ${what}/min`]
    : [`${compactNumber(perSecond)} ${what}/s`];
}

function compactNumber(value: number): string {
  if (value >= 1e6) return `${(value / 1e6).toFixed(1)}M`;
  if (value >= 1e3) return `${(value / 1e3).toFixed(1)}k`;
  return value.toFixed(value < 10 ? 1 : 0);
}

/** "20 s left", "3.0 s so far" if the remaining time is unknown, or how long the stage has waited. */
export function timeText({ remainingSeconds, startedAt, waitingSince }: DisplayedStage, now: number): string {
  if (waitingSince !== undefined) return `waiting for ${formatDuration(secondsSince(waitingSince, now))}`;
  return remainingSeconds === undefined
    ? `${formatDuration(secondsSince(startedAt, now))} so far`
    : `${formatDuration(remainingSeconds)} left`;
}
