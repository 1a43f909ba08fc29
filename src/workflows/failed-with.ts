import { ApplicationFailure } from '@temporalio/workflow';

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
