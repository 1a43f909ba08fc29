import { ActivityFailure, TimeoutFailure, workflowInfo } from '@temporalio/workflow';
import type { PinnedMachine, RunPlan } from '../api/activity-types.ts';
import { machineTaskQueue } from '../api/task-queues.ts';
import { gpuActivities, pinnedWorkerActivities } from './activity-proxies.ts';
import { SharedWork } from './shared-work.ts';

/**
 * The machine that serves and trains for a run, so that a process found there belongs to the run. It is chosen at first
 * use; if none of its workers takes work in time, another machine is chosen.
 */
export class PinnedWorker {
  readonly #timeouts: RunPlan['timeouts'];
  readonly #onChange: (machine: PinnedMachine | undefined) => void;
  /** Two stages that need a machine at the same time get the same one. */
  readonly #choosing = new SharedWork<PinnedMachine>();
  #machine: PinnedMachine | undefined;

  /** @param onChange called with each machine that is chosen, and with undefined if it is given up */
  constructor(
    timeouts: RunPlan['timeouts'],
    machine: PinnedMachine | undefined,
    onChange: (machine: PinnedMachine | undefined) => void,
  ) {
    this.#timeouts = timeouts;
    this.#onChange = onChange;
    this.#setMachine(machine);
  }

  /** The machine; undefined before its first use, and after it stopped taking work. */
  get machine(): PinnedMachine | undefined {
    return this.#machine;
  }

  /** Has another machine chosen if this one was found to be without a worker, so that nothing waits for it again. */
  giveUp(queue: string | undefined): void {
    if (queue !== undefined && this.#machine?.queue === queue) this.#setMachine(undefined);
  }

  async run<T>(
    work: (activities: ReturnType<typeof pinnedWorkerActivities>, queue: string) => Promise<T>,
  ): Promise<T> {
    for (;;) {
      const { queue } = this.#machine ?? (await this.#choosing.run('a machine', () => this.#choose()));
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
    const queue = this.#machine?.queue;
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

  async #choose(): Promise<PinnedMachine> {
    const machine = await gpuActivities().pinWorker.executeWithOptions({ summary: 'pin a worker' }, []);
    this.#setMachine(machine);
    return machine;
  }

  #setMachine(machine: PinnedMachine | undefined): void {
    this.#machine = machine;
    this.#onChange(machine);
  }
}

/** Whether no worker has taken an activity in time. */
export function isWorkerMissing(error: unknown): boolean {
  if (!(error instanceof ActivityFailure)) return false;
  const { cause } = error;
  return cause instanceof TimeoutFailure && cause.timeoutType === 'SCHEDULE_TO_START';
}

/** The name of the machine that listens to a task queue (src/api/task-queues.ts). */
export function machineOf(queue: string): string {
  const prefix = machineTaskQueue('', workflowInfo().taskQueue);
  return queue.startsWith(prefix) ? queue.slice(prefix.length) : queue;
}
