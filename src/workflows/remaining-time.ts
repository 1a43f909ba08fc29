/** How long a run takes still, estimated from how long it has taken so far. */
import type { IterationSummary } from '../activities/types.ts';
import type { RunProgress, StageProgress } from '../contract/progress.ts';
import { currentIteration, lastIteration } from './run-progress.ts';

/** The stages of every iteration that take time, in their order. */
const STAGES = ['judgePairs', 'filterJudgments', 'fineTune', 'evaluateJudge'] as const;

/**
 * Seconds until a stage ends: as a trainer says, or by its rate so far where it counts what it does, else by how long it
 * took last time.
 * Undefined where neither is known.
 */
export function stageSecondsLeft(
  stage: StageProgress,
  completed: readonly IterationSummary[],
  now: number,
): number | undefined {
  const elapsed = Math.max(0, (now - Date.parse(stage.startedAt)) / 1000);
  const { name, done = 0, of = 0, endsAt } = stage;
  if (endsAt !== undefined) return Math.max(0, (Date.parse(endsAt) - now) / 1000);
  if (done > 0) return (elapsed * Math.max(0, of - done)) / done;
  const before = completed.findLast(({ seconds }) => seconds[name] !== undefined)?.seconds[name];
  return before === undefined ? undefined : Math.max(0, before - elapsed);
}

/**
 * Seconds until the run ends, if every iteration takes as long as the last one and none is left out. Undefined before
 * the first iteration has ended, and while the run is paused.
 */
export function secondsLeft(progress: RunProgress, now: number): number | undefined {
  const { phase, paused, stages, completed } = progress;
  const model = completed.findLast(({ iteration }) => iteration > 0);
  if (phase !== 'working' || paused !== undefined || model === undefined) return undefined;
  const usual = (name: string): number => model.seconds[name] ?? 0;
  const iteration = currentIteration(progress);
  const later = Math.max(0, lastIteration(progress) - iteration);
  const whole = STAGES.reduce((sum, name) => sum + usual(name), 0);
  if (completed.some((summary) => summary.iteration === iteration)) return later * whole;
  const underWay = stages.find(({ name }) => (STAGES as readonly string[]).includes(name));
  const next = STAGES.findIndex((name) => name === underWay?.name) + 1;
  const ofStage =
    underWay === undefined ? 0 : (stageSecondsLeft(underWay, completed, now) ?? usual(underWay.name));
  return ofStage + STAGES.slice(next).reduce((sum, name) => sum + usual(name), 0) + later * whole;
}

/** The progress with the estimates for who asks now. */
export function withTimeLeft(progress: RunProgress, now: number): RunProgress {
  const stages = progress.stages.map((stage) => ({
    ...stage,
    secondsLeft: stageSecondsLeft(stage, progress.completed, now),
  }));
  return { ...progress, stages, secondsLeft: secondsLeft(progress, now) };
}
