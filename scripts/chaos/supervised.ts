import { setTimeout as sleep } from 'node:timers/promises';

const RESTART_MILLISECONDS = 200;

/** A process that was started: its id, and when it is gone. */
export interface Started {
  readonly pid: number;
  readonly gone: Promise<unknown>;
  stop(): Promise<void>;
}

/**
 * Keeps one process up as systemd does with `Restart=always`: whatever ends it, the same start follows a moment later,
 * again and again until it succeeds.
 */
export class Supervised {
  readonly name: string;
  readonly #start: () => Promise<Started>;
  #running: Started | undefined;
  #killed: number | undefined;
  #stopping = false;
  #keeping: Promise<void> | undefined;
  #endedByItself = 0;

  constructor(name: string, start: () => Promise<Started>) {
    this.name = name;
    this.#start = start;
  }

  /** Undefined while it is being started again. */
  get pid(): number | undefined {
    return this.#running?.pid;
  }

  /** How often it ended, or failed to start, though nobody had killed it. */
  get endedByItself(): number {
    return this.#endedByItself;
  }

  /** Starts it for the first time; what that fails with is thrown. */
  async start(): Promise<void> {
    this.#running = await this.#start();
    this.#keeping = this.#keepUp();
  }

  /** Kills it as a crash would, and waits until it is gone. */
  async kill(): Promise<void> {
    const running = this.#running;
    if (running === undefined) return;
    this.#killed = running.pid;
    process.kill(running.pid, 'SIGKILL');
    await running.gone;
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    await this.#running?.stop();
    await this.#keeping;
    // It may have come up while it was told to stop.
    await this.#running?.stop();
  }

  async #keepUp(): Promise<void> {
    while (!this.#stopping) {
      if (this.#running !== undefined) {
        const { pid, gone } = this.#running;
        await gone;
        this.#running = undefined;
        if (this.#stopping) return;
        if (this.#killed !== pid) this.#endedByItself += 1;
      }
      await sleep(RESTART_MILLISECONDS);
      if (this.#stopping) return;
      try {
        this.#running = await this.#start();
      } catch {
        this.#endedByItself += 1;
      }
    }
  }
}
