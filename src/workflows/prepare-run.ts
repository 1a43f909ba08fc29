import type { ArtifactReference, Counts } from '../store/artifact.ts';
import type { RunPlan, ServedModel } from '../api/activity-types.ts';
import type { IterationSummary } from '../api/result.ts';
import type { PreparedBenchmark } from '../datasets/benchmark-overlaps.ts';
import type { ModelRole } from '../config/model-roles.ts';
import { prepareGeneratedPairs, prepareProvidedPairs, withTaskRecords } from './prepare-pairs.ts';
import type { ProgressTracker } from './progress-tracker.ts';
import type { EvaluateJudgeResult } from './evaluate-benchmarks.ts';
import type { RunModels, RunStages } from './run-stages.ts';
import { secondsSince } from './seconds-since.ts';
import type { Task, Tasks } from './tasks.ts';
import { pairYieldWarnings } from './yield-warnings.ts';

/** The input of all iterations, prepared once. */
export interface PreparedRun {
  readonly models: RunModels;
  readonly benchmarks: readonly PreparedBenchmark[];
  /** The pairs, with the records of other tasks if judges learn them, too. */
  readonly pairs: ArtifactReference;
  /** The counts of the preparation stages. */
  readonly pairCounts: Readonly<Record<string, Counts>>;
}

/** A judge whose evaluation has begun. */
export interface JudgeUnderEvaluation {
  readonly served: ServedModel;
  readonly evaluation: Task<EvaluateJudgeResult>;
  /** Its row of the run's table, without its evaluation. */
  readonly summary: Omit<IterationSummary, 'evaluations'>;
}

/**
 * Steps 1 and 2 of the method, and the evaluation of the seed model, which goes on when this resolves. It begins before there
 * are pairs if the machine serves one model for both.
 */
export async function prepareRun(
  plan: RunPlan,
  tracker: ProgressTracker,
  stages: RunStages,
  tasks: Tasks,
): Promise<PreparedRun & { readonly seed: JudgeUnderEvaluation }> {
  const models = await stages.resolveModels();
  const benchmarks = await stages.prepareBenchmarks();
  const judgeSeed = async () => {
    const servingBegan = Date.now();
    const served = await stages.serveRole(models, 'seed');
    const serveModel = secondsSince(servingBegan);
    return { served, serveModel, evaluation: tasks.start(() => stages.evaluateJudge(served, 0, benchmarks)) };
  };
  const isEarly = plan.overlaps && (plan.usesProvidedPairs || maySeedBeServedWith(plan, 'generator'));
  const early = isEarly ? tasks.start(judgeSeed) : undefined;
  const prepared = plan.usesProvidedPairs
    ? await prepareProvidedPairs(plan, stages, benchmarks)
    : await prepareGeneratedPairs(plan, stages, models, benchmarks);
  const { pairs, stageResults } = await withTaskRecords(plan, stages, prepared, benchmarks);
  tracker.addWarnings(pairYieldWarnings(stageResults['generatePairs']?.counts));
  const pairCounts = Object.fromEntries(
    Object.entries(stageResults).map(([stage, { counts }]) => [stage, counts]),
  );
  const seconds = Object.fromEntries(
    Object.entries(stageResults).map(([stage, result]) => [stage, result.seconds]),
  );
  const { served, serveModel, evaluation } = await (early?.result ?? judgeSeed());
  const summary = {
    iteration: 0,
    model: models.seed,
    counts: pairCounts,
    seconds: { ...seconds, serveModel },
  };
  return { models, benchmarks, pairs, pairCounts, seed: { served, evaluation, summary } };
}

/**
 * Returns whether the seed model and that of another role may be served at the same time: they are the same, or at most one of
 * them needs the GPUs of the run's machine.
 */
export function maySeedBeServedWith(
  { rolesWithOwnModel, rolesOnMachine }: RunPlan,
  role: Exclude<ModelRole, 'seed'>,
): boolean {
  return (
    !rolesWithOwnModel.includes(role) || !rolesOnMachine.includes('seed') || !rolesOnMachine.includes(role)
  );
}
