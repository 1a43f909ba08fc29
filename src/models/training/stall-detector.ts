import type { ObjectInfo, ObjectStore } from '../../store/objects/object-store.ts';
import { PROGRESS_FILE } from './job.ts';
import type { TrainerStart } from './trainer-starts.ts';

/** Seconds without progress after which a training counts as stalled. */
export interface StallLimits {
  /** The limit after the trainer's first step. */
  readonly seconds: number;
  /** The limit before the first step, when the trainer loads the model and prepares. */
  readonly firstStepSeconds: number;
}

/**
 * Detects a trainer that makes no progress: it makes no steps, writes no data of a checkpoint or of the
 * model, and doesn't touch the file that it touches during a long step. A process that only renews its lease
 * counts as stalled, because the lease has its own thread.
 */
export class StallDetector {
  readonly #training: ObjectStore;
  readonly #limits: StallLimits;
  #sign = '';
  #since = 0;
  #lookedAt = -Infinity;
  #stalledFor: number | undefined;

  constructor(training: ObjectStore, limits: StallLimits) {
    this.#training = training;
    this.#limits = limits;
  }

  /**
   * Returns the seconds without progress of a start's trainer if they exceed the limit, otherwise undefined.
   * They count from when this process first saw the last progress, by its own clock.
   */
  async stalledFor(start: TrainerStart | undefined): Promise<number | undefined> {
    const { seconds, firstStepSeconds } = this.#limits;
    const now = performance.now();
    // A large checkpoint has many files, and a shared file system is slow for each.
    if (now - this.#lookedAt < Math.min(10_000, 100 * Math.min(seconds, firstStepSeconds)))
      return this.#stalledFor;
    this.#lookedAt = now;
    const objects = await this.#training.list('');
    const allowed = hasStepped(objects, start) ? seconds : firstStepSeconds;
    const sign = `${start?.token} ${activitySignature(objects)}`;
    if (sign !== this.#sign) [this.#sign, this.#since] = [sign, now];
    const silent = (now - this.#since) / 1000;
    this.#stalledFor = silent > allowed ? silent : undefined;
    return this.#stalledFor;
  }
}

/** Whether this start, not an earlier one, has made a step. Both times are of the store. */
function hasStepped(objects: readonly ObjectInfo[], start: TrainerStart | undefined): boolean {
  const progress = objects.find(({ key }) => key === PROGRESS_FILE);
  return progress !== undefined && progress.modifiedAt.getTime() > (start?.runningSince ?? Infinity);
}

/** The trainer touches this file after each part of a long operation (`trainer/progress.py`). */
const HEARTBEAT_FILE = 'heartbeat';
const GRADUALLY_WRITTEN = ['checkpoints', 'candidates', 'adapter.partial', 'model.partial'];

/** A value that changes whenever the trainer has made progress. */
function activitySignature(objects: readonly ObjectInfo[]): string {
  return objects
    .filter(
      ({ key }) =>
        key === PROGRESS_FILE ||
        key === HEARTBEAT_FILE ||
        GRADUALLY_WRITTEN.some((folder) => key.startsWith(`${folder}/`)),
    )
    .map(({ key, version, modifiedAt }) => `${key} ${version} ${modifiedAt.getTime()}`)
    .join();
}
