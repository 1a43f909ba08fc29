import { awaitRun } from './await-run.ts';
import { categorizeInstructions } from './categorize-instructions.ts';
import { checkConfiguration } from './check-configuration.ts';
import { completeStage, type StageInput } from './complete-stage.ts';
import type { Dependencies } from './dependencies.ts';
import { evaluateBenchmark } from './evaluate-benchmark.ts';
import { filterJudgments, type FilterInput } from './filter-judgments.ts';
import { fineTune, stopTraining, type FineTuneInput } from './fine-tune.ts';
import { finishRun } from './finish-run.ts';
import { generatePairs } from './generate-pairs.ts';
import { judgePairs } from './judge-pairs.ts';
import { claimMachine, identifyModel, serveModel, stopServing, type ServeInput } from './models.ts';
import { planRun, type PlanInput } from './plan-run.ts';
import { preflightGpu, preflightInference, type PreflightInput } from './preflight.ts';
import { prepareBenchmark } from './prepare-benchmark.ts';
import { preparePool } from './prepare-pool.ts';
import { restoreConfiguration, type RestoreInput } from './restore-configuration.ts';
import { scoreBenchmark, type ScoreInput } from './score-benchmark.ts';
import { selectInstructions } from './select-instructions.ts';
import type { ModelRole, RunReference, RunResult, ShardInput } from './types.ts';
import { writeReport, type ReportInput } from './write-report.ts';

/** Activities of the role `workflow`: light, next to the workflows. */
export const createWorkflowActivities = (deps: Dependencies) => ({
  checkConfiguration: (configuration: unknown) => checkConfiguration(deps, configuration),
  planRun: (input: PlanInput) => planRun(deps, input),
  awaitRun: (owner: { workflowId: string; runId: string }) => awaitRun(deps, owner),
  restoreConfiguration: (input: RestoreInput) => restoreConfiguration(deps, input),
  preparePool: (run: RunReference) => preparePool(deps, run),
  selectInstructions: (input: Parameters<typeof selectInstructions>[1]) => selectInstructions(deps, input),
  completeStage: (input: StageInput) => completeStage(deps, input),
  filterJudgments: (input: FilterInput) => filterJudgments(deps, input),
  prepareBenchmark: (input: { run: RunReference; benchmark: string }) => prepareBenchmark(deps, input),
  scoreBenchmark: (input: ScoreInput) => scoreBenchmark(deps, input),
  writeReport: (input: ReportInput) => writeReport(deps, input),
  finishRun: (result: RunResult) => finishRun(deps, result),
});

/** Activities of the role `inference`: they ask models, and are bounded by requests in flight. */
export const createInferenceActivities = (deps: Dependencies) => ({
  preflightInference: (input: PreflightInput) => preflightInference(deps, input),
  categorizeInstructions: (input: ShardInput) => categorizeInstructions(deps, input),
  generatePairs: (input: ShardInput) => generatePairs(deps, input),
  judgePairs: (input: ShardInput) => judgePairs(deps, input),
  evaluateBenchmark: (input: ShardInput) => evaluateBenchmark(deps, input),
});

/** Activities of the role `gpu` that any machine with the role may take. */
export const createGpuActivities = (deps: Dependencies) => ({
  preflightGpu: (input: PreflightInput) => preflightGpu(deps, input),
  claimMachine: () => claimMachine(deps),
});

/** Activities of the role `gpu` on the machine that a run has claimed. */
export const createMachineActivities = (deps: Dependencies) => ({
  identifyModel: (input: { run: RunReference; role: ModelRole }) => identifyModel(deps, input),
  serveModel: (input: ServeInput) => serveModel(deps, input),
  stopServing: () => stopServing(deps),
  fineTune: (input: FineTuneInput) => fineTune(deps, input),
  stopTraining: (input: { run: RunReference; iteration: number }) => stopTraining(deps, input),
});

export type WorkflowActivities = ReturnType<typeof createWorkflowActivities>;
export type InferenceActivities = ReturnType<typeof createInferenceActivities>;
export type GpuActivities = ReturnType<typeof createGpuActivities>;
export type MachineActivities = ReturnType<typeof createMachineActivities>;
