/** Estimates of the remaining time of a run, from the time that it has taken so far. */
import type { RunProgress, StageProgress } from '../api/progress.ts';
import { currentIteration, lastIteration } from '../api/current-iteration.ts';
import { reusesJudgments } from '../method/judged-iterations.ts';

/** The stages that an iteration lacks if it trains on the judgments of the one before. */
const JUDGING_STAGES: readonly string[] = ['planJudgments', 'judgePairs'];

/** The stages of an iteration whose time counts. Most of the time of `serveModel` is the start of the new judge's server. */
const TIMED_STAGES = [
  'planJudgments',
  'judgePairs',
  'filterJudgments',
  'fineTune',
  'selectCheckpoint',
  'serveModel',
  'evaluateJudge',
] as const;

/**
 * The seconds until a stage ends: by the trainer's estimate, by the rate so far if the stage counts its work, or by the time
 * that it took in the last iteration. Undefined if none of them is known, and while it waits for something.
 */
export function stageRemainingSeconds(
  stage: StageProgress,
  { completedIterations: completed, waits = [] }: Pick<RunProgress, 'completedIterations' | 'waits'>,
  now: number,
): number | undefined {
  const elapsed = Math.max(0, (now - Date.parse(stage.startedAt)) / 1000);
  const { name, iteration, done = 0, total = 0, estimatedEndAt } = stage;
  if (waits.some((wait) => wait.stage === name && wait.iteration === iteration)) return undefined;
  if (estimatedEndAt !== undefined) return Math.max(0, (Date.parse(estimatedEndAt) - now) / 1000);
  if (done > 0) return (elapsed * Math.max(0, total - done)) / done;
  const before = completed.findLast(({ seconds }) => seconds[name] !== undefined)?.seconds[name];
  return before === undefined ? undefined : Math.max(0, before - elapsed);
}

/**
 * The seconds until the run ends, if every iteration takes as long as the last one, its judging as long as the last judging, and
 * none is skipped. Undefined before the first iteration has ended, and while the run is paused or waits for something.
 *
 * A run that overlaps judges with a new judge while it is evaluated. Its training is expected after both.
 */
export function remainingSeconds(progress: RunProgress, now: number): number | undefined {
  const { status, stages, waits, completedIterations: completed, overlaps = false } = progress;
  const lastIterationSummary = completed.findLast(({ iteration }) => iteration > 0);
  if (status !== 'running' || waits !== undefined || lastIterationSummary === undefined) return undefined;
  const current = currentIteration(progress);
  const first = completed.some(({ iteration }) => iteration === current) ? current + 1 : current;
  const lastSeconds = (iteration: number, name: string): number => {
    if (!JUDGING_STAGES.includes(name)) return lastIterationSummary.seconds[name] ?? 0;
    if (reusesJudgments(progress.reusedJudgments ?? [], iteration)) return 0;
    return completed.findLast(({ seconds }) => seconds[name] !== undefined)?.seconds[name] ?? 0;
  };
  /** The rest of some stages of an iteration, one after the other. */
  const rest = (iteration: number, names: readonly (typeof TIMED_STAGES)[number][]): number =>
    names.reduce((sum, name) => {
      const running = stages.find((stage) => stage.name === name && stage.iteration === iteration);
      const last = lastSeconds(iteration, name);
      if (running !== undefined) return sum + (stageRemainingSeconds(running, progress, now) ?? last);
      return hasPassed(progress, iteration, name) ? sum : sum + last;
    }, 0);
  let judgeReady = 0;
  let evaluated = 0;
  for (let iteration = first; iteration <= lastIteration(progress); iteration += 1) {
    const judged =
      (overlaps ? judgeReady : evaluated) +
      rest(iteration, ['planJudgments', 'judgePairs', 'filterJudgments']);
    const trains =
      hasPassed(progress, iteration, 'fineTune') ||
      stages.some(({ name, iteration: of }) => name === 'fineTune' && of === iteration)
        ? judged
        : Math.max(judged, evaluated);
    judgeReady =
      Math.max(trains + rest(iteration, ['fineTune']), evaluated) +
      rest(iteration, ['selectCheckpoint', 'serveModel']);
    evaluated = judgeReady + rest(iteration, ['evaluateJudge']);
  }
  return evaluated;
}

/** Returns whether a stage of an iteration has ended, or a later one has begun or ended. */
function hasPassed(
  { stages, endedStages = [] }: RunProgress,
  iteration: number,
  name: (typeof TIMED_STAGES)[number],
): boolean {
  const later: readonly string[] = TIMED_STAGES.slice(TIMED_STAGES.indexOf(name) + 1);
  return (
    endedStages.some((ended) => ended.iteration === iteration && [name, ...later].includes(ended.name)) ||
    stages.some((stage) => stage.iteration === iteration && later.includes(stage.name))
  );
}

/** The progress with the estimates at this moment. */
export function withRemainingTime(progress: RunProgress, now: number): RunProgress {
  const stages = progress.stages.map((stage) => ({
    ...stage,
    remainingSeconds: stageRemainingSeconds(stage, progress, now),
  }));
  return { ...progress, stages, remainingSeconds: remainingSeconds(progress, now) };
}
