import type { Client } from '@temporalio/client';
import { parseConfiguration } from '../config/parse-configuration.ts';
import type { Configuration } from '../config/run-configuration.ts';
import { type PairsJudgingResult, pairsJudgingResultSchema } from '../api/pairs-judging-result.ts';
import {
  judgeEvaluationResultSchema,
  runResultSchema,
  type JudgeEvaluationResult,
  type RunResult,
} from '../api/result.ts';
import type { BudgetChange } from '../api/budget.ts';
import type { PauseRequest } from '../api/updates.ts';
import { UPDATES } from '../api/temporal-names.ts';
import { InvalidConfiguration } from './errors.ts';
import { Execution } from './execution.ts';

/** A run or judging, which can be paused. */
abstract class PausableExecution<Result> extends Execution<Result> {
  /**
   * Pauses it: shards in flight are finished, a training stops with a checkpoint, and nothing new begins until
   * `resume`. Model servers keep running; one that still starts is stopped, and started again later. Rejected if it is paused already, or if the reason is not a text.
   */
  async pause(request: PauseRequest = {}): Promise<void> {
    await this.update(UPDATES.pause, request);
  }

  /** Resumes a paused run. Rejected if it isn't paused. */
  async resume(): Promise<void> {
    await this.call(() => this.handle.executeUpdate('resume'));
  }

  protected async update(name: string, request: object): Promise<void> {
    await this.call(() => this.handle.executeUpdate(name, { args: [request] }));
  }
}

/**
 * A run that any client has started. Its methods return when the change has taken effect, which needs a worker. Each
 * throws RunNotFound, RunEnded, or WorkflowUpdateFailedError if the run rejects the request, whose text
 * `failureMessage` makes readable.
 */
export class Run extends PausableExecution<RunResult> {
  constructor(client: Client, runName: string) {
    super(client, runName, runResultSchema);
  }

  /** The configuration with which it was started, with all defaults filled in. */
  async configuration(): Promise<Configuration> {
    const answer = await this.call(() => this.handle.query<unknown>('configuration'));
    const { configuration, problems } = parseConfiguration(answer);
    if (configuration === undefined) throw new InvalidConfiguration(problems);
    return configuration;
  }

  /** Sets the total number of iterations, more or fewer than at the start. */
  async setIterations(iterations: number): Promise<void> {
    await this.update(UPDATES.setIterations, { iterations });
  }

  /**
   * Ends the run with its result after this iteration, even if more are planned.
   * @param iteration the current one by default
   */
  async stopAfterIteration(iteration?: number): Promise<void> {
    await this.update(UPDATES.stopAfterIteration, iteration === undefined ? {} : { iteration });
  }

  /**
   * Changes the run's budget. A run that has paused because its budget is spent continues. Rejected for a limit below
   * the present usage, for an invalid amount, and for a limit in USD if the configuration lacks a price.
   */
  async setBudget(request: BudgetChange): Promise<void> {
    await this.update(UPDATES.setBudget, request);
  }
}

/** An evaluation without training that any client has started. */
export class Evaluation extends Execution<JudgeEvaluationResult> {
  constructor(client: Client, runName: string) {
    super(client, runName, judgeEvaluationResultSchema);
  }
}

/** The judging of a file of pairs that any client has started. It rejects requests for the same reasons as a run. */
export class PairsJudging extends PausableExecution<PairsJudgingResult> {
  constructor(client: Client, runName: string) {
    super(client, runName, pairsJudgingResultSchema);
  }
}
