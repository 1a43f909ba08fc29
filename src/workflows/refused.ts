/** How an update is refused: at once, with what is wrong, and the run unharmed. */
import { ApplicationFailure } from '@temporalio/workflow';
import type { RunProgress } from '../contract/progress.ts';

export function refused(message: string): ApplicationFailure {
  return ApplicationFailure.nonRetryable(message, 'UpdateRefused');
}

/**
 * The fields of an update's argument.
 * @param known the names of those that it may have
 * @param usage what is said to who sends something else
 * @throws ApplicationFailure naming what isn't an object, or a field that isn't known
 */
export function fieldsOf(
  request: unknown,
  known: string | readonly string[],
  usage: string,
): Record<string, unknown> {
  if (typeof request !== 'object' || request === null || Array.isArray(request))
    throw refused(`found ${JSON.stringify(request)}; ${usage}`);
  const allowed = [known].flat();
  const unknown = Object.keys(request).filter((field) => !allowed.includes(field));
  if (unknown.length > 0) {
    const names = unknown.map((field) => JSON.stringify(field)).join(', ');
    throw refused(`unknown field ${names}; known: ${allowed.join(', ')}`);
  }
  return request as Record<string, unknown>;
}

/** @throws ApplicationFailure where this workflow has no work of its own any more, or never had */
export function requireOwnWork(runName: string, phase: RunProgress['phase']): void {
  if (phase === 'following')
    throw refused(`this workflow only follows another one, which owns the run ${runName}: ask that one`);
  if (phase === 'finishing')
    throw refused(`the run ${runName} has done its last iteration and writes its result`);
  if (phase === 'completed' || phase === 'failed' || phase === 'cancelled')
    throw refused(`the run ${runName} has ended (${phase})`);
}
