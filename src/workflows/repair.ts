import { ApplicationFailure } from '@temporalio/workflow';

/** Whether a stage failed because an artifact that it reads is missing or is not what was recorded for it. */
export function isDamage(error: unknown): boolean {
  for (let current = error; current instanceof Error; current = current.cause) {
    if (current instanceof ApplicationFailure && current.type === 'ArtifactDamaged') return true;
  }
  return false;
}
