import type { FailureType } from '../api/temporal-names.ts';
import { ActivityFailure, ApplicationFailure, ChildWorkflowFailure } from '@temporalio/workflow';

/** Returns whether a failure of this type is among the causes of an error. */
export function hasFailureType(error: unknown, type: FailureType): boolean {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if (cause instanceof ApplicationFailure && cause.type === type) return true;
  }
  return false;
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
