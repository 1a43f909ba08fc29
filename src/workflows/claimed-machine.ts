import { ActivityFailure, TimeoutFailure } from '@temporalio/workflow';
import type { RunPlan } from '../activities/types.ts';
import { anyMachine, machine } from './proxies.ts';

/**
 * The machine that serves and trains for a run, so that a process found there is the run's own. It is claimed at first
 * use; when no worker of it takes work in time, it is given up and another one is claimed.
 */
export class ClaimedMachine {
  readonly #timeouts: RunPlan['timeouts'];
  #queue: string | undefined;

  constructor(timeouts: RunPlan['timeouts'], queue: string | undefined) {
    this.#timeouts = timeouts;
    this.#queue = queue;
  }

  /** Undefined before its first use, and after it was given up. */
  get queue(): string | undefined {
    return this.#queue;
  }

  async use<T>(work: (activities: ReturnType<typeof machine>) => Promise<T>): Promise<T> {
    for (;;) {
      this.#queue ??= (
        await anyMachine().claimMachine.executeWithOptions({ summary: 'claim a machine' }, [])
      ).queue;
      try {
        return await work(machine(this.#queue, this.#timeouts));
      } catch (error) {
        if (!isNobodyThere(error)) throw error;
        this.#queue = undefined;
      }
    }
  }

  /** The same on the machine that is claimed now, if there is one and it has a worker; never claims another. */
  async useIfThere(work: (activities: ReturnType<typeof machine>) => Promise<void>): Promise<void> {
    if (this.#queue === undefined) return;
    try {
      await work(machine(this.#queue, this.#timeouts));
    } catch (error) {
      if (!isNobodyThere(error)) throw error;
      this.#queue = undefined;
    }
  }
}

function isNobodyThere(error: unknown): boolean {
  if (!(error instanceof ActivityFailure)) return false;
  const { cause } = error;
  return cause instanceof TimeoutFailure && cause.timeoutType === 'SCHEDULE_TO_START';
}
