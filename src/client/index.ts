/**
 * The typed client: starts, follows and controls runs, and sends requests to the judges that they have trained
 * (`createJudge`). It is also published as a separate package (packages/client), so it imports nothing that only a
 * worker needs.
 */
import type { Client } from '@temporalio/client';
import { Evaluation, PairsJudging, Run } from './run.ts';
import { startOrAttach, type StartableWorkflow, type StartOptions } from './start-once.ts';
import { WORKFLOW_TYPES } from '../api/temporal-names.ts';
import type {
  JudgeEvaluationConfiguration,
  JudgeEvaluationConfigurationInput,
} from '../config/judge-evaluation-configuration.ts';
import { expandDateName } from '../platform/dated-name.ts';
import {
  judgeEvaluationFingerprintInputs,
  runFingerprintInputs,
  pairsJudgingFingerprintInputs,
} from '../config/fingerprint-inputs.ts';
import type {
  PairsJudgingConfiguration,
  PairsJudgingConfigurationInput,
} from '../config/pairs-judging-configuration.ts';
import {
  parseConfiguration,
  parseJudgeEvaluation,
  parsePairsJudging,
} from '../config/parse-configuration.ts';
import type { Configuration, ConfigurationInput } from '../config/run-configuration.ts';

export { dataConverterFrom } from '../temporal/data-converter.ts';
export { PayloadNotDecrypted } from '../temporal/payload-not-decrypted.ts';
export { InvalidConfiguration, failureMessage, RunConflict, RunEnded, RunNotFound } from './errors.ts';
export type { ResultOptions } from './execution.ts';
export type { WaitOptions } from './outages.ts';
export {
  createJudge,
  type Comparison,
  type Instruction,
  type Judge,
  type JudgeOptions,
  type Ranking,
  type Scoring,
  type Verification,
} from '../pair-judging/create-judge.ts';
export type { TaskJudgment, TaskTurn, TaskValue } from '../method/task-verdicts.ts';
export type { RankedResponse, Tournament } from '../pair-judging/tournament.ts';
export type { BudgetChange } from '../api/budget.ts';
export type { PauseRequest } from '../api/updates.ts';
export { Evaluation, PairsJudging, Run } from './run.ts';
export type { StartOptions } from './start-once.ts';
export type {
  JudgeEvaluationConfiguration,
  JudgeEvaluationConfigurationInput,
} from '../config/judge-evaluation-configuration.ts';
export type {
  PairsJudgingConfiguration,
  PairsJudgingConfigurationInput,
} from '../config/pairs-judging-configuration.ts';
export type { Problem } from '../platform/problem.ts';
export type { Configuration, ConfigurationInput } from '../config/run-configuration.ts';
export { InvalidJudgeFile, type JudgeFile } from '../api/judge-file.ts';
export type { PairsJudgingFigures, PairsJudgingResult } from '../api/pairs-judging-result.ts';
export type {
  BudgetProgress,
  EndedStage,
  MachineTimes,
  Paused,
  RunProgress,
  StageProgress,
  Wait,
} from '../api/progress.ts';
export type { WorkflowStatus as RunStatus } from '../api/run-status.ts';
export type { Drift } from '../api/drift.ts';
export type { EvaluationSummary, IterationSummary, JudgeEvaluationResult, RunResult } from '../api/result.ts';
export {
  AuthenticationFailed,
  CreditExhausted,
  EndpointUnavailable,
  EndpointUnsuitable,
  InferenceError,
  ModelNotFound,
  RequestRejected,
} from '../models/inference/errors.ts';
export type { ParsedJudgment, OrderVerdict } from '../method/pair-comparison.ts';
export type { Verdict } from '../method/verdict.ts';
export { InvalidVoting } from '../method/voting.ts';

const RUN: StartableWorkflow<Configuration> = {
  workflowType: WORKFLOW_TYPES.run,
  summary: (runName) => `Self-taught evaluator ${runName}`,
  parse: parseConfiguration,
  // Stages are done again only at the start of a run, so another value for an open run is a conflict.
  fingerprintInputs: (configuration) => ({
    ...runFingerprintInputs(configuration),
    rerunFrom: configuration.rerunFrom,
  }),
};

const EVALUATION: StartableWorkflow<JudgeEvaluationConfiguration> = {
  workflowType: WORKFLOW_TYPES.evaluation,
  summary: (runName) => `Evaluate ${runName}`,
  parse: parseJudgeEvaluation,
  fingerprintInputs: judgeEvaluationFingerprintInputs,
};

const JUDGING: StartableWorkflow<PairsJudgingConfiguration> = {
  workflowType: WORKFLOW_TYPES.judging,
  summary: (runName) => `Judge pairs: ${runName}`,
  parse: parsePairsJudging,
  fingerprintInputs: pairsJudgingFingerprintInputs,
};

/**
 * Starts a run, or returns the open run of this name. The workflow's id is the run's name, so two starts, even at the
 * same time or from two processes, start only one run. A run that has ended is continued from the data in the store,
 * and returns its result immediately if nothing is missing.
 *
 * An open run counts as the same if its configuration has the same fingerprint inputs: endpoints, requests in flight,
 * shard sizes and timeouts may differ, and keep their values from the first start. Changes by `setIterations` and
 * `setBudget` are not compared.
 * @throws InvalidConfiguration with every problem by the path of its field, before the server is contacted
 * @throws RunConflict that names the fields that differ from those of the open run
 */
export async function startRun(
  client: Client,
  configuration: ConfigurationInput,
  options: StartOptions = {},
): Promise<Run> {
  await startOrAttach(client, RUN, configuration, options);
  return findRun(client, configuration.runName);
}

/** Returns the run of a name, open or ended. The server is contacted only when a method of the run is called. */
export function findRun(client: Client, runName: string): Run {
  return new Run(client, runName);
}

/**
 * Starts an evaluation without training, or returns the open one of this name, in the same way as `startRun`.
 * @throws InvalidConfiguration, RunConflict
 */
export async function startEvaluation(
  client: Client,
  configuration: JudgeEvaluationConfigurationInput,
  options: StartOptions = {},
): Promise<Evaluation> {
  // Set here, so that the folder in the store and the workflow have the same name.
  const runName = expandDateName(configuration.runName ?? '', new Date());
  await startOrAttach(client, EVALUATION, { ...configuration, runName }, options);
  return findEvaluation(client, runName);
}

/** Returns the evaluation of a name, open or ended. */
export function findEvaluation(client: Client, runName: string): Evaluation {
  return new Evaluation(client, runName);
}

/**
 * Starts the judging of a file of pairs, or returns the open one of this name, in the same way as `startRun`. The
 * workers must be able to read the file. The verdicts are an artifact of the store; the result contains its location.
 * @throws InvalidConfiguration, RunConflict
 */
export async function startPairsJudging(
  client: Client,
  configuration: PairsJudgingConfigurationInput,
  options: StartOptions = {},
): Promise<PairsJudging> {
  const runName = expandDateName(configuration.runName ?? '', new Date());
  await startOrAttach(client, JUDGING, { ...configuration, runName }, options);
  return findPairsJudging(client, runName);
}

/** Returns the judging of a name, open or ended. */
export function findPairsJudging(client: Client, runName: string): PairsJudging {
  return new PairsJudging(client, runName);
}
