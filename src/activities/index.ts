import { addHumanPairs, type AddHumanPairsInput } from './add-human-pairs.ts';
import { withHeartbeats } from './heartbeats.ts';
import { awaitRun } from './await-run.ts';
import { readBudget, setBudget } from './budget.ts';
import { calibrateJudge, type CalibrateJudgeInput } from './calibrate-judge.ts';
import { categorizeInstructions } from './categorize-instructions.ts';
import { checkConfiguration } from './check-configuration.ts';
import { checkJudgeEvaluation } from './check-judge-evaluation.ts';
import { checkPairsJudging } from './check-pairs-judging.ts';
import { compareResponses } from './compare-responses.ts';
import { completeStage, type CompleteStageInput } from './complete-stage.ts';
import type { Dependencies } from './dependencies.ts';
import { evaluateBenchmark } from './evaluate-benchmark.ts';
import { copyToBucket, type CopyToBucketInput } from './copy-to-bucket.ts';
import { exportOutputs, type ExportOutputsInput } from './export-outputs.ts';
import { filterJudgments, type FilterJudgmentsInput } from './filter-judgments.ts';
import { fineTune, stopTraining, type FineTuneInput, type StopTrainingInput } from './fine-tune.ts';
import { finishJudgeEvaluation, type FinishJudgeEvaluationInput } from './finish-judge-evaluation.ts';
import { finishPairsJudging, type FinishPairsJudgingInput } from './finish-pairs-judging.ts';
import { writeRunResult } from './write-run-result.ts';
import { generatePairs } from './generate-pairs.ts';
import { judgePairs } from './judge-pairs.ts';
import { serveModel, type ServeModelInput } from './serve-model.ts';
import { stopServing } from './stop-serving.ts';
import { watchServer } from './watch-server.ts';
import { pinWorker } from './pin-worker.ts';
import { resolveModel } from './resolve-model.ts';
import { planJudgeEvaluation } from './plan-judge-evaluation.ts';
import { planPairsJudging } from './plan-pairs-judging.ts';
import { planJudgments } from './plan-judgments.ts';
import { planRun, type PlanInput } from './plan-run.ts';
import { preflightGpu, preflightInference, type PreflightInput } from './preflight.ts';
import { prepareBenchmark } from './prepare-benchmark.ts';
import { preparePairs, type PreparePairsInput } from './prepare-pairs.ts';
import { preparePairsToJudge } from './prepare-pairs-to-judge.ts';
import { prepareTasks, type PrepareTasksInput } from './prepare-tasks.ts';
import { preparePool, type PreparePoolInput } from './prepare-pool.ts';
import { pushOutputs, type PushOutputsInput } from './push-outputs.ts';
import { restoreConfiguration, type RestoreConfigurationInput } from './restore-configuration.ts';
import { scoreBenchmark, type ScoreBenchmarkInput } from './score-benchmark.ts';
import { selectCheckpoint, type SelectCheckpointInput } from './select-checkpoint.ts';
import { selectInstructions } from './select-instructions.ts';
import type { RunReference, ShardInput } from '../api/activity-types.ts';
import type { PairsJudgingResult } from '../api/pairs-judging-result.ts';
import type { JudgeEvaluationResult, RunResult } from '../api/result.ts';
import type { ModelRole } from '../config/model-roles.ts';
import { writeReport, type WriteReportInput } from './write-report.ts';

/** Activities of the role `workflow`: short tasks that run beside the workflows. */
export const createWorkflowActivities = (deps: Dependencies) => ({
  checkConfiguration: (configuration: unknown) =>
    withHeartbeats(() => checkConfiguration(deps, configuration)),
  planRun: (input: PlanInput) => withHeartbeats(() => planRun(deps, input)),
  awaitRun: (owner: { workflowId: string; runId: string }) => awaitRun<RunResult>(deps, owner),
  checkJudgeEvaluation: (configuration: unknown) =>
    withHeartbeats(() => checkJudgeEvaluation(deps, configuration)),
  planJudgeEvaluation: (input: PlanInput) => withHeartbeats(() => planJudgeEvaluation(deps, input)),
  awaitEvaluation: (owner: { workflowId: string; runId: string }) =>
    awaitRun<JudgeEvaluationResult>(deps, owner),
  finishJudgeEvaluation: (input: FinishJudgeEvaluationInput) => finishJudgeEvaluation(deps, input),
  checkPairsJudging: (configuration: unknown) => withHeartbeats(() => checkPairsJudging(deps, configuration)),
  planPairsJudging: (input: PlanInput) => withHeartbeats(() => planPairsJudging(deps, input)),
  awaitPairsJudging: (owner: { workflowId: string; runId: string }) =>
    awaitRun<PairsJudgingResult>(deps, owner),
  preparePairsToJudge: (input: { run: RunReference }) => preparePairsToJudge(deps, input),
  finishPairsJudging: (input: FinishPairsJudgingInput) => finishPairsJudging(deps, input),
  restoreConfiguration: (input: RestoreConfigurationInput) =>
    withHeartbeats(() => restoreConfiguration(deps, input)),
  preparePool: (input: PreparePoolInput) => preparePool(deps, input),
  selectInstructions: (input: Parameters<typeof selectInstructions>[1]) => selectInstructions(deps, input),
  addHumanPairs: (input: AddHumanPairsInput) => addHumanPairs(deps, input),
  prepareTasks: (input: PrepareTasksInput) => prepareTasks(deps, input),
  preparePairs: (input: PreparePairsInput) => preparePairs(deps, input),
  completeStage: (input: CompleteStageInput) => completeStage(deps, input),
  filterJudgments: (input: FilterJudgmentsInput) => filterJudgments(deps, input),
  prepareBenchmark: (input: { run: RunReference; benchmark: string }) => prepareBenchmark(deps, input),
  scoreBenchmark: (input: ScoreBenchmarkInput) => scoreBenchmark(deps, input),
  calibrateJudge: (input: CalibrateJudgeInput) => calibrateJudge(deps, input),
  writeReport: (input: WriteReportInput) => writeReport(deps, input),
  exportOutputs: (input: ExportOutputsInput) => exportOutputs(deps, input),
  pushOutputs: (input: PushOutputsInput) => pushOutputs(deps, input),
  copyToBucket: (input: CopyToBucketInput) => copyToBucket(deps, input),
  readBudget: (run: RunReference) => withHeartbeats(() => readBudget(deps, run)),
  setBudget: (input: Parameters<typeof setBudget>[1]) => withHeartbeats(() => setBudget(deps, input)),
  writeRunResult: (result: RunResult) => withHeartbeats(() => writeRunResult(deps, result)),
  stopTraining: (input: StopTrainingInput) => stopTraining(deps, input),
});

/** Activities of the role `inference`: they send requests to models, with a limit on concurrent requests. */
export const createInferenceActivities = (deps: Dependencies) => ({
  preflightInference: (input: PreflightInput) => preflightInference(deps, input),
  categorizeInstructions: (input: ShardInput) => categorizeInstructions(deps, input),
  generatePairs: (input: ShardInput) => generatePairs(deps, input),
  planJudgments: (input: ShardInput) => planJudgments(deps, input),
  judgePairs: (input: ShardInput) => judgePairs(deps, input),
  evaluateBenchmark: (input: ShardInput) => evaluateBenchmark(deps, input),
  compareResponses: (input: ShardInput) => compareResponses(deps, input),
});

/** Activities of the role `gpu` that any machine with the role may take. */
export const createGpuActivities = (deps: Dependencies) => ({
  preflightGpu: (input: PreflightInput) => preflightGpu(deps, input),
  pinWorker: () => pinWorker(deps),
});

/** Activities of the role `gpu` on the machine that a run has claimed. */
export const createPinnedWorkerActivities = (deps: Dependencies) => ({
  resolveModel: (input: { run: RunReference; role: ModelRole }) => resolveModel(deps, input),
  serveModel: (input: ServeModelInput) => serveModel(deps, input),
  watchServer: (input: { baseUrl: string }) => watchServer(deps, input),
  stopServing: () => stopServing(deps),
  fineTune: (input: FineTuneInput) => fineTune(deps, input),
  selectCheckpoint: (input: SelectCheckpointInput) => selectCheckpoint(deps, input),
  stopTraining: (input: StopTrainingInput) => stopTraining(deps, input),
});

export type WorkflowActivities = ReturnType<typeof createWorkflowActivities>;
export type InferenceActivities = ReturnType<typeof createInferenceActivities>;
export type GpuActivities = ReturnType<typeof createGpuActivities>;
export type PinnedWorkerActivities = ReturnType<typeof createPinnedWorkerActivities>;
