/** Rejection of updates: at once, with the reason, and without effect on the run. */
import { FAILURES } from '../api/temporal-names.ts';
import { ApplicationFailure } from '@temporalio/workflow';
import type { RunProgress } from '../api/progress.ts';

export function updateRejected(message: string): ApplicationFailure {
  return ApplicationFailure.nonRetryable(message, FAILURES.updateRejected);
}

/**
 * The fields of an update's argument.
 * @param known the names of the fields that it may have
 * @param usage a sentence that says how the update is used, for the error message
 * @throws ApplicationFailure if the argument is no object, or has an unknown field
 */
export function requestFields(
  request: unknown,
  known: string | readonly string[],
  usage: string,
): Record<string, unknown> {
  if (typeof request !== 'object' || request === null || Array.isArray(request))
    throw updateRejected(`found ${JSON.stringify(request)}; ${usage}`);
  const allowed = [known].flat();
  const unknown = Object.keys(request).filter((field) => !allowed.includes(field));
  if (unknown.length > 0) {
    const names = unknown.map((field) => JSON.stringify(field)).join(', ');
    throw updateRejected(`unknown field ${names}; known: ${allowed.join(', ')}`);
  }
  return request as Record<string, unknown>;
}

/** @throws ApplicationFailure if the workflow has no work of its own, or has ended it */
export function requireActiveRun(runName: string, status: RunProgress['status']): void {
  if (status === 'joined')
    throw updateRejected(
      `this workflow only waits for another one, which owns the run ${runName}: send the update to that one`,
    );
  if (status === 'finishing')
    throw updateRejected(`the run ${runName} has completed its last iteration and is writing its result`);
  if (status === 'completed' || status === 'failed' || status === 'cancelled')
    throw updateRejected(`the run ${runName} has ended (${status})`);
}
