import type { RunProgress } from './progress.ts';

/**
 * The current iteration: the first one that is not complete and has a running stage; between iterations, the last complete
 * one. The next iteration may have begun while the judge of the current one is evaluated.
 */
export function currentIteration({
  stages,
  completedIterations: completed,
}: Pick<RunProgress, 'stages' | 'completedIterations'>): number {
  const lastComplete = completed.at(-1)?.iteration ?? -1;
  const running = stages.map(({ iteration }) => iteration).filter((iteration) => iteration > lastComplete);
  return running.length > 0 ? Math.min(...running) : Math.max(0, lastComplete);
}

/** The last iteration that the run will do, unless it stops early. */
export function lastIteration({
  requestedIterations: iterations,
  stopAfter,
}: Pick<RunProgress, 'requestedIterations' | 'stopAfter'>): number {
  return Math.min(iterations, stopAfter ?? iterations);
}
