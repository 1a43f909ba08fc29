/** Validation of the updates that change the number of iterations of a running run. */
import { requestFields, updateRejected, requireActiveRun } from './update-validation.ts';
import type { RunProgress } from '../api/progress.ts';
import { currentIteration } from '../api/current-iteration.ts';

/** As in the configuration. */
const MAX_ITERATIONS = 100;

type RunPosition = Pick<
  RunProgress,
  'runName' | 'status' | 'requestedIterations' | 'stages' | 'completedIterations'
>;

/** @throws ApplicationFailure if the request is invalid, or the run cannot be changed now */
export function validateSetIterations(request: unknown, progress: RunPosition): void {
  const usage = 'setIterations takes an object such as {"iterations": 5}';
  const { iterations } = requestFields(request, 'iterations', usage);
  requireRunning(progress);
  if (iterations === undefined) throw updateRejected(`iterations is missing; ${usage}`);
  if (!Number.isInteger(iterations) || (iterations as number) < 1 || (iterations as number) > MAX_ITERATIONS)
    throw updateRejected(
      `iterations is ${JSON.stringify(iterations)}, but must be a whole number from 1 to ${MAX_ITERATIONS}`,
    );
  const current = currentIteration(progress);
  if ((iterations as number) < current)
    throw updateRejected(
      `iterations is ${iterations as number}, but iteration ${current} is running: give at least ${current}; ` +
        'to end at once, cancel the run',
    );
}

/** @throws ApplicationFailure if the request is invalid, or the run cannot be changed now */
export function validateStopAfterIteration(request: unknown, progress: RunPosition): void {
  const usage =
    'stopAfterIteration takes an object such as {"iteration": 2}, or nothing to stop after the current one';
  const { iteration } =
    request === undefined || request === null ? {} : requestFields(request, 'iteration', usage);
  requireRunning(progress);
  if (iteration === undefined) return;
  const { requestedIterations: iterations } = progress;
  const current = currentIteration(progress);
  if (!Number.isInteger(iteration) || (iteration as number) < current || (iteration as number) > iterations)
    throw updateRejected(
      `iteration is ${JSON.stringify(iteration)}, but must be a whole number from ${current}, the current iteration, to ` +
        `${iterations}, the last one`,
    );
}

function requireRunning({ runName, status }: RunPosition): void {
  requireActiveRun(runName, status);
  if (status === 'planning')
    throw updateRejected(`the run ${runName} is still reading its configuration: try again in a moment`);
}
