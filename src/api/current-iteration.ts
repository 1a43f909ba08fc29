import type { RunProgress } from './progress.ts';

/** The current iteration; between iterations, the last one that is done. */
export function currentIteration({
  stages,
  completedIterations: completed,
}: Pick<RunProgress, 'stages' | 'completedIterations'>): number {
  return Math.max(
    0,
    ...stages.map(({ iteration }) => iteration),
    ...completed.map(({ iteration }) => iteration),
  );
}

/** The last iteration that the run will do, unless it stops early. */
export function lastIteration({
  requestedIterations: iterations,
  stopAfter,
}: Pick<RunProgress, 'requestedIterations' | 'stopAfter'>): number {
  return Math.min(iterations, stopAfter ?? iterations);
}
