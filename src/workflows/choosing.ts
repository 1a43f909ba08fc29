import type { EvaluationSummary, IterationSummary } from '../activities/types.ts';

/** What the best checkpoint is chosen by: `choosing` and `earlyStopping` of the configuration. */
export interface ChoosingPlan {
  /** The benchmark that decides; undefined for the mean of all validation benchmarks. */
  readonly benchmark?: string | undefined;
  readonly metric: 'accuracy' | 'positionConsistentAccuracy';
  /** Undefined for a run that never stops early. */
  readonly earlyStopping?: { readonly patience: number; readonly minimumGain: number } | undefined;
}

/**
 * The iteration with the best figure (method, step 6); the earlier one of two equals. Without a validation benchmark
 * the test benchmarks decide, and the run carries a warning.
 */
export function bestIteration(completed: readonly IterationSummary[], plan: ChoosingPlan): number {
  let best = 0;
  for (const { iteration } of completed) {
    if (figureOf(completed, iteration, plan) > figureOf(completed, best, plan)) best = iteration;
  }
  return best;
}

/**
 * Whether the last gain lies `patience` iterations or more behind; never without a patience. A gain is a figure more
 * than `minimumGain` above that of the last gain, so that small steps which add up count once they have.
 */
export function stopsEarly(completed: readonly IterationSummary[], plan: ChoosingPlan): boolean {
  if (plan.earlyStopping === undefined) return false;
  const { patience, minimumGain } = plan.earlyStopping;
  let gainedAt = 0;
  for (const { iteration } of completed) {
    const gain = figureOf(completed, iteration, plan) - figureOf(completed, gainedAt, plan);
    if (gain > minimumGain) gainedAt = iteration;
  }
  return (completed.at(-1)?.iteration ?? 0) - gainedAt >= patience;
}

function figureOf(
  completed: readonly IterationSummary[],
  iteration: number,
  { benchmark, metric }: ChoosingPlan,
): number {
  const evaluations = completed.find((summary) => summary.iteration === iteration)?.evaluations ?? [];
  const deciding = decidingEvaluations(evaluations, benchmark);
  if (deciding.length === 0) return -1;
  return deciding.reduce((sum, evaluation) => sum + evaluation[metric], 0) / deciding.length;
}

function decidingEvaluations(
  evaluations: readonly EvaluationSummary[],
  benchmark: string | undefined,
): readonly EvaluationSummary[] {
  if (benchmark !== undefined) return evaluations.filter((evaluation) => evaluation.benchmark === benchmark);
  const validation = evaluations.filter(({ purpose }) => purpose === 'validation');
  return validation.length > 0 ? validation : evaluations;
}
