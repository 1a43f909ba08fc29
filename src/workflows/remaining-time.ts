/** Estimates of the remaining time of a run, from the time that it has taken so far. */
import type { RunProgress, StageProgress } from '../api/progress.ts';
import { currentIteration, lastIteration } from '../api/current-iteration.ts';

/** The stages of an iteration whose time counts. Most of the time of `serveModel` is the start of the new judge's server. */
const TIMED_STAGES = ['judgePairs', 'filterJudgments', 'fineTune', 'serveModel', 'evaluateJudge'] as const;

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
 * The seconds until the run ends, if every iteration takes as long as the last one and none is skipped. Undefined before
 * the first iteration has ended, and while the run is paused or waits for something.
 */
export function remainingSeconds(progress: RunProgress, now: number): number | undefined {
  const { status, stages, waits, completedIterations: completed } = progress;
  const lastIterationSummary = completed.findLast(({ iteration }) => iteration > 0);
  if (status !== 'running' || waits !== undefined || lastIterationSummary === undefined) return undefined;
  const lastSeconds = (name: string): number => lastIterationSummary.seconds[name] ?? 0;
  const iteration = currentIteration(progress);
  const laterIterations = Math.max(0, lastIteration(progress) - iteration);
  const iterationSeconds = TIMED_STAGES.reduce((sum, name) => sum + lastSeconds(name), 0);
  if (completed.some((summary) => summary.iteration === iteration)) return laterIterations * iterationSeconds;
  // The judge of the iteration before is served at the beginning of an iteration.
  const runningStage = stages.find(
    (stage) => (TIMED_STAGES as readonly string[]).includes(stage.name) && stage.iteration === iteration,
  );
  const next = TIMED_STAGES.findIndex((name) => name === runningStage?.name) + 1;
  const stageSeconds =
    runningStage === undefined
      ? 0
      : (stageRemainingSeconds(runningStage, progress, now) ?? lastSeconds(runningStage.name));
  return (
    stageSeconds +
    TIMED_STAGES.slice(next).reduce((sum, name) => sum + lastSeconds(name), 0) +
    laterIterations * iterationSeconds
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
