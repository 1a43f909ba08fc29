import type { Client } from '@temporalio/client';
import { readConfiguration } from '../config/read-configuration.ts';
import type { Configuration } from '../config/schema.ts';
import { type JudgingResult, judgingResultSchema } from '../contract/judging-result.ts';
import {
  judgeEvaluationResultSchema,
  runResultSchema,
  type JudgeEvaluationResult,
  type RunResult,
} from '../contract/result.ts';
import { ConfigurationRefused } from './errors.ts';
import { Execution } from './execution.ts';

export interface PauseRequest {
  /** Shown wherever the run's progress is; at most 500 characters. */
  readonly reason?: string;
}

/** What a run may spend: a number sets a limit, null takes it away, what is left out stays. */
export interface BudgetRequest {
  /** Of prompts and answers together. */
  readonly tokens?: number | null;
  /** Requests sent to models. */
  readonly requests?: number | null;
  /** By the prices of the configuration. */
  readonly usd?: number | null;
  /** Of fine-tuning. */
  readonly gpuHours?: number | null;
}

/** What can be paused. */
abstract class Pausable<Result> extends Execution<Result> {
  /**
   * Pauses it: shards in flight end, a training stops with a checkpoint, nothing new begins until `resume`. Model
   * servers stay up. Refused where it is paused already, or the reason is no text.
   */
  async pause(request: PauseRequest = {}): Promise<void> {
    await this.update('pause', request);
  }

  /** Lets what is paused go on. Refused where it isn't paused. */
  async resume(): Promise<void> {
    await this.told(() => this.handle.executeUpdate('resume'));
  }

  protected async update(name: string, request: object): Promise<void> {
    await this.told(() => this.handle.executeUpdate(name, { args: [request] }));
  }
}

/**
 * A run that was started here or elsewhere. What it is told returns when it is in force, which takes a worker. Each throws
 * RunNotFound, RunEnded, or WorkflowUpdateFailedError where the run refuses; `failureMessage` makes that readable.
 */
export class Run extends Pausable<RunResult> {
  constructor(client: Client, runName: string) {
    super(client, runName, runResultSchema);
  }

  /** What it was started with, every default filled in. */
  async configuration(): Promise<Configuration> {
    const answer = await this.told(() => this.handle.query<unknown>('configuration'));
    const { configuration, problems } = readConfiguration(answer);
    if (configuration === undefined) throw new ConfigurationRefused(problems);
    return configuration;
  }

  /** Sets how many iterations the run does in all, more or fewer than it was started with. */
  async setIterations(iterations: number): Promise<void> {
    await this.update('setIterations', { iterations });
  }

  /**
   * Ends the run with its result after this iteration, though more were asked for.
   * @param iteration the one under way by default
   */
  async stopAfterIteration(iteration?: number): Promise<void> {
    await this.update('stopAfterIteration', iteration === undefined ? {} : { iteration });
  }

  /**
   * Changes what the run may spend; one that has paused because its budget is spent goes on. Refused below what is spent
   * already, for what is no amount, and in USD where the configuration lacks a price.
   */
  async setBudget(request: BudgetRequest): Promise<void> {
    await this.update('setBudget', request);
  }
}

/** An evaluation without training that was started here or elsewhere. */
export class Evaluation extends Execution<JudgeEvaluationResult> {
  constructor(client: Client, runName: string) {
    super(client, runName, judgeEvaluationResultSchema);
  }
}

/** The judging of a file of pairs that was started here or elsewhere. What it is told is refused as by a run. */
export class Judging extends Pausable<JudgingResult> {
  constructor(client: Client, runName: string) {
    super(client, runName, judgingResultSchema);
  }
}
