/**
 * The names of a run's stages, everywhere: in progress, counts, seconds, fingerprints, signals and `rerunFrom`. A stage has
 * the name of the activity that carries it out, or of the work of several activities.
 */

/** Stages that are mapped over shards, each by the activity of its name. */
export const SHARDED_STAGES = [
  'categorizeInstructions',
  'generatePairs',
  'planJudgments',
  'judgePairs',
  'evaluateBenchmark',
  'compareResponses',
] as const;
export type ShardedStage = (typeof SHARDED_STAGES)[number];

/** The stages before the first iteration that turn instructions or files into pairs, in their order. */
export const PREPARATION_STAGES = [
  'preparePool',
  'categorizeInstructions',
  'selectInstructions',
  'generatePairs',
  'addHumanPairs',
  'preparePairs',
  'prepareTasks',
] as const;

/** The stages of every iteration, in their order. */
const ITERATION_STAGES = [
  'planJudgments',
  'judgePairs',
  'filterJudgments',
  'fineTune',
  'selectCheckpoint',
  'evaluateJudge',
] as const;

/** All stages that progress can show, and artifacts be made by. */
export const STAGES = [
  'planRun',
  'planJudgeEvaluation',
  'planPairsJudging',
  'restoreConfiguration',
  'resolveModels',
  'prepareBenchmarks',
  'serveModel',
  ...PREPARATION_STAGES,
  ...ITERATION_STAGES,
  'evaluateBenchmark',
  'scoreBenchmark',
  'exportOutputs',
  'writeReport',
  'preparePairsToJudge',
  'compareResponses',
  'finishPairsJudging',
] as const;
export type StageName = (typeof STAGES)[number];

/** Returns whether a stage comes before the first iteration; the summary of every iteration repeats its counts. */
export function isPreparationStage(stage: string): boolean {
  return (PREPARATION_STAGES as readonly string[]).includes(stage);
}
