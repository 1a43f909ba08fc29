import { ActivityFailure, TimeoutFailure } from '@temporalio/workflow';
import type { RunPlan } from '../api/activity-types.ts';
import { gpuActivities, pinnedWorkerActivities } from './activity-proxies.ts';
import { SharedWork } from './shared-work.ts';

/**
 * The machine that serves and trains for a run, so that a process found there belongs to the run. It is chosen at first
 * use; if none of its workers takes work in time, another machine is chosen.
 */
export class PinnedWorker {
  readonly #timeouts: RunPlan['timeouts'];
  readonly #onChange: (queue: string | undefined) => void;
  /** Two stages that need a machine at the same time get the same one. */
  readonly #choosing = new SharedWork<string>();
  #queue: string | undefined;

  /** @param onChange called with the queue of each machine that is chosen, and with undefined if it is given up */
  constructor(
    timeouts: RunPlan['timeouts'],
    queue: string | undefined,
    onChange: (queue: string | undefined) => void,
  ) {
    this.#timeouts = timeouts;
    this.#onChange = onChange;
    this.#setQueue(queue);
  }

  /** The task queue of the machine; undefined before its first use, and after it stopped taking work. */
  get queue(): string | undefined {
    return this.#queue;
  }

  /** Has another machine chosen if this one was found to be without a worker, so that nothing waits for it again. */
  giveUp(queue: string | undefined): void {
    if (queue !== undefined && this.#queue === queue) this.#setQueue(undefined);
  }

  async run<T>(
    work: (activities: ReturnType<typeof pinnedWorkerActivities>, queue: string) => Promise<T>,
  ): Promise<T> {
    for (;;) {
      const queue = this.#queue ?? (await this.#choosing.run('a machine', () => this.#choose()));
      try {
        return await work(pinnedWorkerActivities(queue, this.#timeouts), queue);
      } catch (error) {
        if (!isWorkerMissing(error)) throw error;
        this.giveUp(queue);
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
    const queue = this.#queue;
    if (queue === undefined) return false;
    try {
      await work(pinnedWorkerActivities(queue, this.#timeouts));
      return true;
    } catch (error) {
      if (!isWorkerMissing(error)) throw error;
      this.giveUp(queue);
      return false;
    }
  }

  async #choose(): Promise<string> {
    const { queue } = await gpuActivities().pinWorker.executeWithOptions({ summary: 'pin a worker' }, []);
    this.#setQueue(queue);
    return queue;
  }

  #setQueue(queue: string | undefined): void {
    this.#queue = queue;
    this.#onChange(queue);
  }
}

/** Whether no worker has taken an activity in time. */
export function isWorkerMissing(error: unknown): boolean {
  if (!(error instanceof ActivityFailure)) return false;
  const { cause } = error;
  return cause instanceof TimeoutFailure && cause.timeoutType === 'SCHEDULE_TO_START';
}
