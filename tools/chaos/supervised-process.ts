import { setTimeout as sleep } from 'node:timers/promises';
import { sendSignal } from '../../src/platform/process-group.ts';

const RESTART_MILLISECONDS = 200;

/** A running process. */
export interface StartedProcess {
  readonly pid: number;
  readonly exited: Promise<unknown>;
  stop(): Promise<void>;
}

/**
 * Restarts a process whenever it exits, as systemd does with `Restart=always`. A start that fails is repeated until it
 * succeeds.
 */
export class SupervisedProcess {
  readonly #start: () => Promise<StartedProcess>;
  #running: StartedProcess | undefined;
  #killed: number | undefined;
  #stopping = false;
  #supervision: Promise<void> | undefined;
  #unexpectedExits = 0;

  constructor(start: () => Promise<StartedProcess>) {
    this.#start = start;
  }

  /** Undefined while the process is being restarted. */
  get pid(): number | undefined {
    return this.#running?.pid;
  }

  /** How often the process exited or failed to start without being killed. */
  get unexpectedExits(): number {
    return this.#unexpectedExits;
  }

  /** Starts the process for the first time; throws if that fails. */
  async start(): Promise<void> {
    this.#running = await this.#start();
    this.#supervision = this.#supervise();
  }

  /** Kills the process with SIGKILL and waits until it is gone; returns false if it does not run. */
  async kill(): Promise<boolean> {
    const running = this.#running;
    if (running === undefined || !sendSignal(running.pid, 'SIGKILL')) return false;
    this.#killed = running.pid;
    await running.exited;
    return true;
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    await this.#running?.stop();
    await this.#supervision;
    // The process may have been restarted in the meantime.
    await this.#running?.stop();
  }

  async #supervise(): Promise<void> {
    while (!this.#stopping) {
      if (this.#running !== undefined) {
        const { pid, exited } = this.#running;
        await exited;
        this.#running = undefined;
        if (this.#stopping) return;
        if (this.#killed !== pid) this.#unexpectedExits += 1;
      }
      await sleep(RESTART_MILLISECONDS);
      if (this.#stopping) return;
      try {
        this.#running = await this.#start();
      } catch {
        this.#unexpectedExits += 1;
      }
    }
  }
}
