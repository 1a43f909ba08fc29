import type { FailureType } from '../api/temporal-names.ts';
import { ActivityFailure, ApplicationFailure, ChildWorkflowFailure } from '@temporalio/workflow';

/** Returns whether a failure of this type is among the causes of an error. */
export function hasFailureType(error: unknown, type: FailureType): boolean {
  return findFailure(error, type) !== undefined;
}

/** Returns the failure of this type among the causes of an error. */
export function findFailure(error: unknown, type: FailureType): ApplicationFailure | undefined {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if (cause instanceof ApplicationFailure && cause.type === type) return cause;
  }
  return undefined;
}

/** The messages of an error and its causes, outermost first, without Temporal's wrappers and without lone surrogates. */
export function failureCauses(error: unknown): string {
  const messages: string[] = [];
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    const isWrapper = cause instanceof ActivityFailure || cause instanceof ChildWorkflowFailure;
    if (!isWrapper && cause.message !== '') messages.push(cause.message);
  }
  return (messages.length === 0 ? String(error) : messages.join('\n')).toWellFormed();
}
