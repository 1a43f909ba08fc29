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
import type { RunProgress } from '../contract/progress.ts';
import { RunEnded, RunNotFound } from './errors.ts';
import { abortable, answered, throughOutages, untilNextLook, type WaitOptions } from './outages.ts';

export interface ResultOptions extends WaitOptions {
  /** The store's folder, where this process can read it: it has the result of a run that the server has forgotten. */
  readonly storeRoot?: string | undefined;
}

/** A run or an evaluation, under way or ended. */
export class Execution<Result> {
  readonly runName: string;
  protected readonly handle: WorkflowHandle;
  readonly #client: Client;
  readonly #resultSchema: z.ZodType;

  constructor(client: Client, runName: string, resultSchema: z.ZodType) {
    this.runName = runName;
    // Not bound to a run id: it means the newest one.
    this.handle = client.workflow.getHandle(runName);
    this.#client = client;
    this.#resultSchema = resultSchema;
  }

  /** The id of its workflow. */
  get workflowId(): string {
    return this.handle.workflowId;
  }

  /**
   * Where it is now.
   * @throws RunNotFound at once; ServiceError after 30 seconds in which no worker answers, which is no sign of an end
   */
  progress(): Promise<RunProgress> {
    return this.told(() => this.handle.query<RunProgress>('progress'));
  }

  /**
   * Where it is, whenever that changes, until it has ended; looks once a second. While no worker answers it waits, and while
   * the server is out of reach too, for `outageSeconds`. How it ended says `result`.
   *
   * @throws RunNotFound; the signal's reason; what the server answers after too long an outage
   */
  async *follow({ signal, outageSeconds }: WaitOptions = {}): AsyncGenerator<RunProgress, void, void> {
    let shown: string | undefined;
    for (;;) {
      const isOpen = await this.#isOpen({ signal, outageSeconds });
      const progress = await this.#progressNow(signal);
      const seen = progress === undefined ? undefined : JSON.stringify(progress, withoutTimeLeft);
      if (progress !== undefined && seen !== shown) {
        shown = seen;
        yield progress;
      }
      if (!isOpen) return;
      await untilNextLook(signal);
    }
  }

  /**
   * Waits for the result, also over a reset, which begins the run again from an earlier point, and over outages. It is what
   * result.json in the store says.
   *
   * @throws RunNotFound; WorkflowFailedError where it failed or was cancelled, which `failureMessage` makes readable; the
   *   signal's reason
   */
  async result(options: ResultOptions = {}): Promise<Result> {
    const { storeRoot, signal } = options;
    for (;;) {
      try {
        const result = () => abortable(this.#client, () => this.handle.result(), signal);
        return this.#read(await throughOutages(result, options));
      } catch (error) {
        if (error instanceof WorkflowNotFoundError) return this.#stored(storeRoot);
        // A reset terminates the run that it begins again.
        const isTerminated = error instanceof WorkflowFailedError && error.cause instanceof TerminatedFailure;
        if (!isTerminated || (await this.#status(options)) === 'TERMINATED') throw error;
      }
    }
  }

  /**
   * Asks it to stop: a training saves a checkpoint first; a run of the same name goes on from there.
   * Nothing happens where it has ended already.
   * @throws RunNotFound
   */
  async cancel(): Promise<void> {
    await this.told(() => this.handle.cancel());
  }

  /** Asks or tells the workflow something. */
  protected async told<T>(call: () => Promise<T>): Promise<T> {
    try {
      return await call();
    } catch (error) {
      if (!(error instanceof WorkflowNotFoundError)) throw error;
      // The server answers in the same way where the workflow has ended.
      throw new RunEnded(this.runName, await this.#status({}), { cause: error });
    }
  }

  async #isOpen(options: WaitOptions): Promise<boolean> {
    const status = await this.#status(options);
    return status === 'RUNNING' || status === 'PAUSED' || status === 'CONTINUED_AS_NEW';
  }

  /** @throws RunNotFound */
  async #status(options: WaitOptions): Promise<WorkflowExecutionStatusName> {
    const describe = () => answered(this.#client, () => this.handle.describe(), options.signal);
    try {
      return (await throughOutages(describe, options)).status.name;
    } catch (error) {
      if (error instanceof WorkflowNotFoundError) throw new RunNotFound(this.runName, this.#client);
      throw error;
    }
  }

  /** Undefined while nobody answers: no worker is there, or it has just started. Only the server knows of the end. */
  async #progressNow(signal: AbortSignal | undefined): Promise<RunProgress | undefined> {
    try {
      return await answered(this.#client, () => this.handle.query<RunProgress>('progress'), signal);
    } catch {
      signal?.throwIfAborted();
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
    throw new TypeError(`${this.runName} has another kind of result than is asked for: ${fields}`);
  }
}

/** Time passes by itself: that alone is no change. */
function withoutTimeLeft(field: string, value: unknown): unknown {
  return field === 'secondsLeft' ? undefined : value;
}
