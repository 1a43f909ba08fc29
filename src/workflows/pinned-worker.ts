import { ActivityFailure, TimeoutFailure } from '@temporalio/workflow';
import type { RunPlan } from '../api/activity-types.ts';
import { gpuActivities, pinnedWorkerActivities } from './activity-proxies.ts';

/**
 * The machine that serves and trains for a run, so that a process found there belongs to the run. It is chosen at first
 * use; if none of its workers takes work in time, another machine is chosen.
 */
export class PinnedWorker {
  readonly #timeouts: RunPlan['timeouts'];
  #queue: string | undefined;

  constructor(timeouts: RunPlan['timeouts'], queue: string | undefined) {
    this.#timeouts = timeouts;
    this.#queue = queue;
  }

  /** The task queue of the machine; undefined before its first use, and after it stopped taking work. */
  get queue(): string | undefined {
    return this.#queue;
  }

  /** Has another machine chosen if this one was found to be without a worker, so that nothing waits for it again. */
  giveUp(queue: string | undefined): void {
    if (this.#queue === queue) this.#queue = undefined;
  }

  async run<T>(work: (activities: ReturnType<typeof pinnedWorkerActivities>) => Promise<T>): Promise<T> {
    for (;;) {
      this.#queue ??= (
        await gpuActivities().pinWorker.executeWithOptions({ summary: 'pin a worker' }, [])
      ).queue;
      try {
        return await work(pinnedWorkerActivities(this.#queue, this.#timeouts));
      } catch (error) {
        if (!isWorkerMissing(error)) throw error;
        this.#queue = undefined;
      }
    }
  }

  /**
   * Runs work on the current machine if there is one and it has a worker; never chooses another one. Returns false if it has
   * none.
   */
  async runIfAvailable(
    work: (activities: ReturnType<typeof pinnedWorkerActivities>) => Promise<void>,
  ): Promise<boolean> {
    if (this.#queue === undefined) return false;
    try {
      await work(pinnedWorkerActivities(this.#queue, this.#timeouts));
      return true;
    } catch (error) {
      if (!isWorkerMissing(error)) throw error;
      this.#queue = undefined;
      return false;
    }
  }
}

/** Whether no worker has taken an activity in time. */
export function isWorkerMissing(error: unknown): boolean {
  if (!(error instanceof ActivityFailure)) return false;
  const { cause } = error;
  return cause instanceof TimeoutFailure && cause.timeoutType === 'SCHEDULE_TO_START';
}
