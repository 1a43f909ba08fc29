import { ActivityFailure, ApplicationFailure, ChildWorkflowFailure } from '@temporalio/workflow';

/**
 * What a stage fails with, however many workflows lie between: `ArtifactDamaged`, an artifact that it reads is missing or
 * is not what was recorded for it; `ServerUnavailable`, its model server is gone (`work-on-shard.ts`);
 * `BudgetReached`, the run may spend nothing more (`src/spending/ledger.ts`).
 */
type FailureType = 'ArtifactDamaged' | 'ServerUnavailable' | 'BudgetReached';

/** Whether a failure of this type is among the causes of an error. */
export function failedWith(error: unknown, type: FailureType): boolean {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if (cause instanceof ApplicationFailure && cause.type === type) return true;
  }
  return false;
}

/** The messages of an error's causes, outermost first, without what Temporal wraps around them; without a lone half of a character. */
export function failureWords(error: unknown): string {
  const messages: string[] = [];
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    const isWrapper = cause instanceof ActivityFailure || cause instanceof ChildWorkflowFailure;
    if (!isWrapper && cause.message !== '') messages.push(cause.message);
  }
  return (messages.length === 0 ? String(error) : messages.join('\n')).toWellFormed();
}
