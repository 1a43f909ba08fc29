import type { IterationSummary } from '../activities/types.ts';

/**
 * The iteration with the best mean accuracy on the validation benchmarks (method, step 6); the earlier one of two
 * equals. Without a validation benchmark the test benchmarks decide, and the run carries a warning.
 */
export function bestIteration(completed: readonly IterationSummary[]): number {
  let best = 0;
  for (const { iteration } of completed) {
    if (choosingAccuracy(completed, iteration) > choosingAccuracy(completed, best)) best = iteration;
  }
  return best;
}

/** Whether the best iteration lies `patience` iterations or more behind; never without a patience. */
export function stopsEarly(completed: readonly IterationSummary[], patience: number | null): boolean {
  if (patience === null) return false;
  const latest = completed.at(-1)?.iteration ?? 0;
  return latest - bestIteration(completed) >= patience;
}

function choosingAccuracy(completed: readonly IterationSummary[], iteration: number): number {
  const evaluations = completed.find((summary) => summary.iteration === iteration)?.evaluations ?? [];
  const validation = evaluations.filter(({ purpose }) => purpose === 'validation');
  const deciding = validation.length > 0 ? validation : evaluations;
  if (deciding.length === 0) return -1;
  return deciding.reduce((sum, { accuracy }) => sum + accuracy, 0) / deciding.length;
}
