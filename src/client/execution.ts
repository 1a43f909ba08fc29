import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type Client,
  TerminatedFailure,
  type WorkflowExecutionStatusName,
  WorkflowFailedError,
  type WorkflowHandle,
  WorkflowNotFoundError,
} from '@temporalio/client';
import type { z } from 'zod';
import type { RunProgress } from '../api/progress.ts';
import { isActiveStatus, statusOfExecution } from '../api/run-status.ts';
import { PayloadNotDecrypted } from '../temporal/payload-not-decrypted.ts';
import { RunEnded, RunNotFound } from './errors.ts';
import {
  callWithSignal,
  callWithDeadline,
  retryDuringOutage,
  waitPollInterval,
  type WaitOptions,
} from './outages.ts';

export interface ResultOptions extends WaitOptions {
  /** The store's folder, if this process can read it: it contains results of runs that the server no longer has. */
  readonly storeRoot?: string | undefined;
}

/** A run, an evaluation or a judging, open or ended. */
export class Execution<Result> {
  readonly runName: string;
  protected readonly handle: WorkflowHandle;
  readonly #client: Client;
  readonly #resultSchema: z.ZodType;

  constructor(client: Client, runName: string, resultSchema: z.ZodType) {
    this.runName = runName;
    // The handle is not bound to a run id, so it refers to the newest execution.
    this.handle = client.workflow.getHandle(runName);
    this.#client = client;
    this.#resultSchema = resultSchema;
  }

  /** The workflow's id. */
  get workflowId(): string {
    return this.handle.workflowId;
  }

  /**
   * Returns the current progress.
   * @throws RunNotFound immediately; ServiceError after 30 seconds in which no worker answers, which doesn't mean
   * that the run has ended
   */
  progress(): Promise<RunProgress> {
    return this.call(() => this.handle.query<RunProgress>('progress'));
  }

  /**
   * Yields the progress whenever it changes, until the run has ended; polls once a second. Waits while no worker
   * answers, and for `outageSeconds` while the server is unreachable. If no worker answers when the run has ended, the
   * last progress is yielded again with the status that the server knows. `result` returns how the run ended.
   * @throws RunNotFound; the signal's reason; the server's error after too long an outage
   */
  async *follow({ signal, outageSeconds }: WaitOptions = {}): AsyncGenerator<RunProgress, void, void> {
    let last: RunProgress | undefined;
    let shown: string | undefined;
    for (;;) {
      const server = await this.#status({ signal, outageSeconds });
      const status = statusOfExecution(server);
      const isOpen = isActiveStatus(status) || server === 'CONTINUED_AS_NEW';
      const answered = await this.#progressNow(signal);
      last = answered ?? (last && status && !isOpen ? { ...last, status } : last);
      const seen = JSON.stringify(last, withoutTimeLeft);
      if (last !== undefined && seen !== shown) {
        shown = seen;
        yield last;
      }
      if (!isOpen) return;
      await waitPollInterval(signal);
    }
  }

  /**
   * Waits for the result, which equals result.json in the store. Also waits through outages, and through a reset,
   * which restarts the run from an earlier point.
   * @throws RunNotFound; WorkflowFailedError if it failed or was cancelled, whose text `failureMessage` makes
   * readable; the signal's reason
   */
  async result(options: ResultOptions = {}): Promise<Result> {
    const { storeRoot, signal } = options;
    for (;;) {
      try {
        const result = () => callWithSignal(this.#client, () => this.handle.result(), signal);
        return this.#read(await retryDuringOutage(result, options));
      } catch (error) {
        if (error instanceof WorkflowNotFoundError) return this.#stored(storeRoot);
        // A reset terminates the execution that it restarts.
        const isTerminated = error instanceof WorkflowFailedError && error.cause instanceof TerminatedFailure;
        if (!isTerminated || (await this.#status(options)) === 'TERMINATED') throw error;
      }
    }
  }

  /**
   * Requests cancellation: a training first saves a checkpoint, and a later run of the same name continues from
   * there. Does nothing if the run has ended already.
   * @throws RunNotFound
   */
  async cancel(): Promise<void> {
    await this.call(() => this.handle.cancel());
  }

  /** Sends the workflow a query, an update or a cancellation request. */
  protected async call<T>(call: () => Promise<T>): Promise<T> {
    try {
      return await call();
    } catch (error) {
      if (!(error instanceof WorkflowNotFoundError)) throw error;
      // The server gives the same answer if the workflow has ended.
      throw new RunEnded(this.runName, await this.#status({}), { cause: error });
    }
  }

  /** @throws RunNotFound */
  async #status(options: WaitOptions): Promise<WorkflowExecutionStatusName> {
    const describe = () => callWithDeadline(this.#client, () => this.handle.describe(), options.signal);
    try {
      return (await retryDuringOutage(describe, options)).status.name;
    } catch (error) {
      if (error instanceof WorkflowNotFoundError) throw new RunNotFound(this.runName, this.#client);
      throw error;
    }
  }

  /** Undefined while no worker answers. Only the server knows whether the run has ended. */
  async #progressNow(signal: AbortSignal | undefined): Promise<RunProgress | undefined> {
    try {
      return await callWithDeadline(this.#client, () => this.handle.query<RunProgress>('progress'), signal);
    } catch (error) {
      signal?.throwIfAborted();
      if (error instanceof PayloadNotDecrypted) throw error;
      return undefined;
    }
  }

  async #stored(storeRoot: string | undefined): Promise<Result> {
    const notFound = new RunNotFound(this.runName, this.#client);
    if (storeRoot === undefined) throw notFound;
    let text: string;
    try {
      text = await readFile(join(storeRoot, this.runName, 'result.json'), 'utf8');
    } catch (cause) {
      notFound.cause = cause;
      throw notFound;
    }
    return this.#read(JSON.parse(text));
  }

  #read(result: unknown): Result {
    const { success, error } = this.#resultSchema.safeParse(result);
    if (success) return result as Result;
    const fields = error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join('; ');
    throw new TypeError(`${this.runName} has a result of another kind than requested: ${fields}`);
  }
}

/** The remaining time changes all the time, so it alone doesn't count as progress. */
function withoutTimeLeft(field: string, value: unknown): unknown {
  return field === 'remainingSeconds' ? undefined : value;
}
