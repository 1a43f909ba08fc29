import { addHumanPairs, type HumanPairsInput } from './add-human-pairs.ts';
import { withHeartbeats } from './attempt.ts';
import { awaitRun } from './await-run.ts';
import { readBudget, setBudget } from './budget.ts';
import { categorizeInstructions } from './categorize-instructions.ts';
import { checkConfiguration } from './check-configuration.ts';
import { checkJudgeEvaluation } from './check-judge-evaluation.ts';
import { checkPairsJudging } from './check-pairs-judging.ts';
import { compareResponses } from './compare-responses.ts';
import { completeStage, type StageInput } from './complete-stage.ts';
import type { Dependencies } from './dependencies.ts';
import { evaluateBenchmark } from './evaluate-benchmark.ts';
import { exportOutputs, type ExportInput } from './export-outputs.ts';
import { filterJudgments, type FilterInput } from './filter-judgments.ts';
import { fineTune, stopTraining, type FineTuneInput } from './fine-tune.ts';
import { finishJudgeEvaluation, type FinishJudgeEvaluationInput } from './finish-judge-evaluation.ts';
import { finishPairsJudging, type FinishPairsJudgingInput } from './finish-pairs-judging.ts';
import { finishRun } from './finish-run.ts';
import { generatePairs } from './generate-pairs.ts';
import { judgePairs } from './judge-pairs.ts';
import { claimMachine, identifyModel, serveModel, stopServing, type ServeInput } from './models.ts';
import { planJudgeEvaluation } from './plan-judge-evaluation.ts';
import { planPairsJudging } from './plan-pairs-judging.ts';
import { planRun, type PlanInput } from './plan-run.ts';
import { preflightGpu, preflightInference, type PreflightInput } from './preflight.ts';
import { prepareBenchmark } from './prepare-benchmark.ts';
import { preparePairs, type GivenPairsInput } from './prepare-pairs.ts';
import { preparePairsToJudge } from './prepare-pairs-to-judge.ts';
import { preparePool, type PoolInput } from './prepare-pool.ts';
import { publishOutputs, type PublishInput } from './publish-outputs.ts';
import { restoreConfiguration, type RestoreInput } from './restore-configuration.ts';
import { scoreBenchmark, type ScoreInput } from './score-benchmark.ts';
import { selectInstructions } from './select-instructions.ts';
import type {
  JudgeEvaluationResult,
  JudgingResult,
  ModelRole,
  RunReference,
  RunResult,
  ShardInput,
} from './types.ts';
import { writeReport, type ReportInput } from './write-report.ts';

/** Activities of the role `workflow`: light, next to the workflows. */
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
  awaitPairsJudging: (owner: { workflowId: string; runId: string }) => awaitRun<JudgingResult>(deps, owner),
  preparePairsToJudge: (input: { run: RunReference }) => preparePairsToJudge(deps, input),
  finishPairsJudging: (input: FinishPairsJudgingInput) => finishPairsJudging(deps, input),
  restoreConfiguration: (input: RestoreInput) => withHeartbeats(() => restoreConfiguration(deps, input)),
  preparePool: (input: PoolInput) => preparePool(deps, input),
  selectInstructions: (input: Parameters<typeof selectInstructions>[1]) => selectInstructions(deps, input),
  addHumanPairs: (input: HumanPairsInput) => addHumanPairs(deps, input),
  preparePairs: (input: GivenPairsInput) => preparePairs(deps, input),
  completeStage: (input: StageInput) => completeStage(deps, input),
  filterJudgments: (input: FilterInput) => filterJudgments(deps, input),
  prepareBenchmark: (input: { run: RunReference; benchmark: string }) => prepareBenchmark(deps, input),
  scoreBenchmark: (input: ScoreInput) => scoreBenchmark(deps, input),
  writeReport: (input: ReportInput) => writeReport(deps, input),
  exportOutputs: (input: ExportInput) => exportOutputs(deps, input),
  publishOutputs: (input: PublishInput) => publishOutputs(deps, input),
  readBudget: (run: RunReference) => withHeartbeats(() => readBudget(deps, run)),
  setBudget: (input: Parameters<typeof setBudget>[1]) => withHeartbeats(() => setBudget(deps, input)),
  finishRun: (result: RunResult) => withHeartbeats(() => finishRun(deps, result)),
});

/** Activities of the role `inference`: they ask models, and are bounded by requests in flight. */
export const createInferenceActivities = (deps: Dependencies) => ({
  preflightInference: (input: PreflightInput) => preflightInference(deps, input),
  categorizeInstructions: (input: ShardInput) => categorizeInstructions(deps, input),
  generatePairs: (input: ShardInput) => generatePairs(deps, input),
  judgePairs: (input: ShardInput) => judgePairs(deps, input),
  evaluateBenchmark: (input: ShardInput) => evaluateBenchmark(deps, input),
  compareResponses: (input: ShardInput) => compareResponses(deps, input),
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
