/** Making a run longer or shorter while it works: what it may be told, and what is refused. */
import { fieldsOf, refused, requireOwnWork } from './refused.ts';
import type { RunProgress } from '../contract/progress.ts';
import { currentIteration } from './run-progress.ts';

/** What the update `setIterations` is told. */
export interface IterationsRequest {
  /** 1 to 100, and no fewer than the iteration that is under way. */
  readonly iterations: number;
}

/** What the update `stopAfterIteration` may be told. */
export interface StopAfterRequest {
  /** From the iteration that is under way, which is meant where it is left out, to the last one. */
  readonly iteration?: number;
}

/** As in the configuration. */
const MOST_ITERATIONS = 100;

type Position = Pick<RunProgress, 'runName' | 'phase' | 'iterations' | 'stages' | 'completed'>;

/** @throws ApplicationFailure naming what is wrong with the request, or why this run can't be changed now */
export function requireIterations(request: unknown, progress: Position): void {
  const usage = 'setIterations takes an object such as {"iterations": 5}';
  const { iterations } = fieldsOf(request, 'iterations', usage);
  requireWorking(progress);
  if (iterations === undefined) throw refused(`iterations is missing; ${usage}`);
  if (!Number.isInteger(iterations) || (iterations as number) < 1 || (iterations as number) > MOST_ITERATIONS)
    throw refused(
      `iterations is ${JSON.stringify(iterations)}, and must be a whole number from 1 to ${MOST_ITERATIONS}`,
    );
  const underWay = currentIteration(progress);
  if ((iterations as number) < underWay)
    throw refused(
      `iterations is ${iterations as number}, but iteration ${underWay} is under way: at least ${underWay}; ` +
        'to end at once, cancel the run',
    );
}

/** @throws ApplicationFailure naming what is wrong with the request, or why this run can't be changed now */
export function requireStopAfter(request: unknown, progress: Position): void {
  const usage =
    'stopAfterIteration takes an object such as {"iteration": 2}, or nothing for the one that is under way';
  const { iteration } =
    request === undefined || request === null ? {} : fieldsOf(request, 'iteration', usage);
  requireWorking(progress);
  if (iteration === undefined) return;
  const { iterations } = progress;
  const underWay = currentIteration(progress);
  if (!Number.isInteger(iteration) || (iteration as number) < underWay || (iteration as number) > iterations)
    throw refused(
      `iteration is ${JSON.stringify(iteration)}, and must be a whole number from ${underWay}, which is under way, to ` +
        `${iterations}, the last one`,
    );
}

function requireWorking({ runName, phase }: Position): void {
  requireOwnWork(runName, phase);
  if (phase === 'planning')
    throw refused(`the run ${runName} is still reading its configuration: ask again in a moment`);
}
