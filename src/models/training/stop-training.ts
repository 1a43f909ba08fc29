/**
 * Stops trainers with a checkpoint, wherever they run: by a request among the training's files, which each trainer looks for
 * where it renews its lease (trainer/lease.py).
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import type { ObjectStore } from '../../store/objects/object-store.ts';
import { readJsonObject } from '../../store/objects/read-json-object.ts';
import { TrainerUnreachable } from './errors.ts';
import { launcherOfStart } from './launcher-of-start.ts';
import type { Launcher } from './launchers/launcher.ts';
import { StallDetector } from './stall-detector.ts';
import { LOG_FILE } from './trainer-starts.ts';
import { LEASE_SECONDS, TrainingMonitor, type RunningState } from './training-monitor.ts';

/**
 * The request to stop, `{token, reason, kill}`. It lies beside the lease: a network file system may hide a new file in a
 * folder that the trainer doesn't write to for a minute.
 */
export const STOP_FILE = 'stop.json';

const requestSchema = z.object({ token: z.string() });

/** Whether a start was asked to stop. */
export async function wasStopRequested(training: ObjectStore, token: string | undefined): Promise<boolean> {
  const request = await readJsonObject(training, STOP_FILE, requestSchema);
  return request !== undefined && request.token === token;
}

export interface StopOptions {
  /** For the trainer's log. */
  readonly reason: string;
  /** The time without progress after which the trainer is killed. */
  readonly stallSeconds: number;
  /** Seconds without a renewal after which the lease of a trainer that can't be seen has expired; 30 by default. */
  readonly leaseSeconds?: number | undefined;
}

/** Ends a trainer, with a checkpoint if it can save one. */
export class TrainerStopper {
  readonly #training: ObjectStore;
  readonly #launcher: Launcher;
  readonly #reason: string;
  readonly #stallDetector: StallDetector;
  readonly #leaseSeconds: number;
  #written = '';
  #killedAt: number | undefined;

  constructor(training: ObjectStore, launcher: Launcher, options: StopOptions) {
    const { reason, stallSeconds, leaseSeconds = LEASE_SECONDS } = options;
    this.#training = training;
    this.#launcher = launcher;
    this.#reason = reason;
    this.#leaseSeconds = leaseSeconds;
    const limits = { seconds: stallSeconds, firstStepSeconds: stallSeconds };
    this.#stallDetector = new StallDetector(training, limits);
  }

  /**
   * To be called at every poll until the trainer is gone. Saving a large checkpoint takes time, so the trainer is killed
   * only after it has made no progress for too long. One on another machine kills itself, or its lease expires.
   * @throws TrainerUnreachable if it does neither
   */
  async advance(state: RunningState): Promise<void> {
    const { start } = state;
    const kill = (await this.#stallDetector.stalledFor(start)) !== undefined;
    // The lease may be of an earlier start than the newest one.
    const token = state.kind === 'training' ? state.lease.token : state.start.token;
    await this.#request({ token, reason: this.#reason, kill });
    // A trainer that has shown progress again after all has not disobeyed.
    this.#killedAt = kill ? (this.#killedAt ?? performance.now()) : undefined;
    // A queued job has nothing to save.
    if (kill || state.kind === 'queued') {
      const launcher = start === undefined ? this.#launcher : launcherOfStart(start, this.#launcher);
      await launcher.end(start?.job, state.kind === 'training' ? state.lease : undefined);
    }
    if (state.kind === 'training') this.#giveUp(state);
  }

  async #request(request: { token: string; reason: string; kill: boolean }): Promise<void> {
    const text = `${JSON.stringify(request)}\n`;
    if (text === this.#written) return;
    await this.#training.put(STOP_FILE, text);
    this.#written = text;
  }

  #giveUp({ lease }: Extract<RunningState, { kind: 'training' }>): void {
    const seconds = (performance.now() - (this.#killedAt ?? Infinity)) / 1000;
    if (seconds < 2 * this.#leaseSeconds) return;
    throw new TrainerUnreachable({
      what:
        `the trainer in ${this.#training.address} renews its lease, but neither saves a checkpoint nor ends: on ${lease.host}, where it ` +
        `runs, kill the process ${lease.pid}; then everything goes on by itself`,
      logFile: this.#training.locate(LOG_FILE),
    });
  }
}

/**
 * Stops the trainer of a training with a checkpoint; returns when it is gone, or when its lease has expired. For
 * trainings without a follower. A trainer without progress for longer than `stallSeconds` is killed.
 * @throws TrainerUnreachable if it has to be killed by hand, on the machine that the message names
 */
export async function stopTrainer(
  training: ObjectStore,
  launcher: Launcher,
  options: StopOptions,
  signal: AbortSignal,
): Promise<void> {
  const monitor = new TrainingMonitor(training, launcher, options.leaseSeconds);
  const stopper = new TrainerStopper(training, launcher, options);
  for (;;) {
    const state = await monitor.readTrainer();
    if (state.kind === 'idle') return;
    await stopper.advance(state);
    await sleep(training.isRemote ? 2000 : 100, undefined, { signal });
  }
}
