/**
 * The typed client of runs: start, follow, pause, resume, cancel, result. It needs @temporalio/client and the configuration's schema
 * alone, never what a worker needs.
 */
import {
  type Client,
  TerminatedFailure,
  WorkflowExecutionAlreadyStartedError,
  WorkflowFailedError,
  WorkflowUpdateFailedError,
  type WorkflowHandle,
} from '@temporalio/client';
import type { RunResult } from './activities/types.ts';
import type { ConfigurationInput } from './config/schema.ts';
import type { PauseRequest } from './workflows/pause.ts';
import type { RunProgress } from './workflows/run-progress.ts';

export type { ConfigurationInput } from './config/schema.ts';
export type { EvaluationSummary, IterationSummary, RunResult } from './activities/types.ts';
export type { PauseRequest } from './workflows/pause.ts';
export type { Paused, RunPhase, RunProgress, StageProgress } from './workflows/run-progress.ts';

const WORKFLOW_TYPE = 'selfTaughtEvaluator';

export interface StartOptions {
  /** The queue of the workers with the role `workflow`. */
  readonly taskQueue?: string;
}

/** A run that was started here or elsewhere. */
export class Run {
  readonly #handle: WorkflowHandle;

  /** @param handle not bound to a run id, so that it means the newest one */
  constructor(handle: WorkflowHandle) {
    this.#handle = handle;
  }

  get workflowId(): string {
    return this.#handle.workflowId;
  }

  /** Where the run is now. */
  progress(): Promise<RunProgress> {
    return this.#handle.query<RunProgress>('progress');
  }

  /**
   * Waits for the result, also over a reset, which begins the run again from an earlier point.
   * @throws WorkflowFailedError; `failureMessage` makes it readable
   */
  async result(): Promise<RunResult> {
    for (;;) {
      try {
        return (await this.#handle.result()) as RunResult;
      } catch (error) {
        // A reset terminates the run that it begins again.
        const isTerminated = error instanceof WorkflowFailedError && error.cause instanceof TerminatedFailure;
        if (!isTerminated || (await this.#handle.describe()).status.name === 'TERMINATED') throw error;
      }
    }
  }

  /**
   * Pauses the run: shards in flight end, a training stops with a checkpoint, nothing new begins until `resume`. Model
   * servers stay up. Returns when it is in force.
   * @throws WorkflowUpdateFailedError where it is paused already, has ended, or the reason is no text; `failureMessage`
   *   makes it readable
   */
  async pause(request: PauseRequest = {}): Promise<void> {
    await this.#handle.executeUpdate('pause', { args: [request] });
  }

  /**
   * Lets a paused run go on.
   * @throws WorkflowUpdateFailedError where it isn't paused
   */
  async resume(): Promise<void> {
    await this.#handle.executeUpdate('resume');
  }

  /** Asks the run to stop: a training saves a checkpoint first; a run of the same name goes on from there. */
  async cancel(): Promise<void> {
    await this.#handle.cancel();
  }
}

/**
 * Starts a run, or returns the one that is under way: the workflow's id is the run's name, so that starting twice is
 * starting once.
 */
export async function startRun(
  client: Client,
  configuration: ConfigurationInput,
  options: StartOptions = {},
): Promise<Run> {
  const { runName } = configuration;
  try {
    await client.workflow.start(WORKFLOW_TYPE, {
      workflowId: runName,
      taskQueue: options.taskQueue ?? 'self-taught-evaluator',
      args: [configuration],
      staticSummary: `Self-taught evaluator ${runName}`,
    });
  } catch (error) {
    if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
  }
  return findRun(client, runName);
}

/** The run of a name, whether it is under way or ended. */
export function findRun(client: Client, runName: string): Run {
  return new Run(client.workflow.getHandle(runName));
}

/** The messages of a failed run, outermost first, without what Temporal wraps around them. */
export function failureMessage(error: unknown): string {
  const messages: string[] = [];
  for (let current = error; current instanceof Error; current = current.cause) {
    const isWrapper =
      current instanceof WorkflowFailedError ||
      current instanceof WorkflowUpdateFailedError ||
      /^(Activity task|Child Workflow execution) failed$/i.test(current.message);
    if (!isWrapper && current.message !== '') messages.push(current.message);
  }
  return messages.length === 0 ? String(error) : messages.join('\n');
}
