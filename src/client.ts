/**
 * The typed client: runs (start, follow, steer, result), and the judges that they have trained (`createJudge`). It needs
 * @temporalio/client and zod alone, never what a worker needs, and is a package of its own too (packages/client).
 */
import type { Client } from '@temporalio/client';
import { Evaluation, Judging, Run } from './client/run.ts';
import { startOnce, type Start, type StartOptions } from './client/start-once.ts';
import type { JudgeEvaluation, JudgeEvaluationInput } from './config/evaluation-schema.ts';
import { datedName } from './format/dated-name.ts';
import { evaluationMeaningOf, meaningOf, pairsJudgingMeaningOf } from './config/meaning.ts';
import type { PairsJudging, PairsJudgingInput } from './config/pairs-judging-schema.ts';
import { readConfiguration, readJudgeEvaluation, readPairsJudging } from './config/read-configuration.ts';
import type { Configuration, ConfigurationInput } from './config/schema.ts';

export { ConfigurationRefused, failureMessage, RunConflict, RunEnded, RunNotFound } from './client/errors.ts';
export type { ResultOptions } from './client/execution.ts';
export type { WaitOptions } from './client/outages.ts';
export {
  createJudge,
  type Comparison,
  type Instruction,
  type Judge,
  type JudgeOptions,
  type Ranking,
} from './client/judge/create-judge.ts';
export type { RankedResponse, Tournament } from './client/judge/tournament.ts';
export { Evaluation, Judging, Run, type BudgetRequest, type PauseRequest } from './client/run.ts';
export type { StartOptions } from './client/start-once.ts';
export type { JudgeEvaluation, JudgeEvaluationInput } from './config/evaluation-schema.ts';
export type { PairsJudging, PairsJudgingInput } from './config/pairs-judging-schema.ts';
export type { Problem } from './config/read-configuration.ts';
export type { Configuration, ConfigurationInput } from './config/schema.ts';
export { JudgeFileInvalid, type JudgeFile } from './contract/judge-file.ts';
export type { JudgingFigures, JudgingResult } from './contract/judging-result.ts';
export type { BudgetProgress, Paused, RunPhase, RunProgress, StageProgress } from './contract/progress.ts';
export type {
  EvaluationSummary,
  IterationSummary,
  JudgeEvaluationResult,
  RunResult,
} from './contract/result.ts';
export {
  EndpointRejected,
  EndpointUnavailable,
  InferenceError,
  ModelNotFound,
  RequestRefused,
} from './inference/errors.ts';
export type { GivenJudgment, OrderVerdict } from './judge/comparison.ts';
export type { Verdict } from './judge/verdict.ts';
export { VotingRefused } from './judge/voting.ts';

const RUN: Start<Configuration> = {
  workflowType: 'selfTaughtEvaluator',
  summary: (runName) => `Self-taught evaluator ${runName}`,
  read: readConfiguration,
  // What is to be done again is done when a run starts, never by one that is under way.
  meaningOf: (configuration) => ({ ...meaningOf(configuration), redo: configuration.redo }),
};

const EVALUATION: Start<JudgeEvaluation> = {
  workflowType: 'evaluateJudge',
  summary: (runName) => `Evaluate ${runName}`,
  read: readJudgeEvaluation,
  meaningOf: evaluationMeaningOf,
};

const JUDGING: Start<PairsJudging> = {
  workflowType: 'judgePairs',
  summary: (runName) => `Judge pairs: ${runName}`,
  read: readPairsJudging,
  meaningOf: pairsJudgingMeaningOf,
};

/**
 * Starts a run, or returns the one of this name that is under way: the workflow's id is the run's name, so that starting
 * twice, at once or from two processes, is starting once. A run that has ended goes on from what is in the store, and has
 * its result at once where nothing is missing.
 *
 * A run under way counts as the same where its configuration means the same: endpoints, requests in flight, sizes of shards
 * and time-outs may differ, and stay as they were started. What `setIterations` has changed doesn't count, nor
 * does a budget, which `setBudget` changes.
 *
 * @throws ConfigurationRefused with every mistake by the path of its field, before the server is asked
 * @throws RunConflict naming the fields that differ from those of the run under way
 */
export async function startRun(
  client: Client,
  configuration: ConfigurationInput,
  options: StartOptions = {},
): Promise<Run> {
  await startOnce(client, RUN, configuration, options);
  return findRun(client, configuration.runName);
}

/** The run of a name, whether it is under way or ended. The server isn't asked before something is asked of the run. */
export function findRun(client: Client, runName: string): Run {
  return new Run(client, runName);
}

/**
 * Starts an evaluation without training, or returns the one of this name that is under way, in the same way as `startRun`.
 * @throws ConfigurationRefused, RunConflict
 */
export async function startEvaluation(
  client: Client,
  configuration: JudgeEvaluationInput,
  options: StartOptions = {},
): Promise<Evaluation> {
  // Filled in here, so that the folder in the store and the workflow have the same name.
  const runName = datedName(configuration.runName ?? '', new Date());
  await startOnce(client, EVALUATION, { ...configuration, runName }, options);
  return findEvaluation(client, runName);
}

/** The evaluation of a name, whether it is under way or ended. */
export function findEvaluation(client: Client, runName: string): Evaluation {
  return new Evaluation(client, runName);
}

/**
 * Starts the judging of a file of pairs, or returns the one of this name that is under way, in the same way as `startRun`.
 * The file is one that the workers see. Its verdicts are an artifact of the store; the result says where.
 * @throws ConfigurationRefused, RunConflict
 */
export async function startJudging(
  client: Client,
  configuration: PairsJudgingInput,
  options: StartOptions = {},
): Promise<Judging> {
  const runName = datedName(configuration.runName ?? '', new Date());
  await startOnce(client, JUDGING, { ...configuration, runName }, options);
  return findJudging(client, runName);
}

/** The judging of a name, whether it is under way or ended. */
export function findJudging(client: Client, runName: string): Judging {
  return new Judging(client, runName);
}
