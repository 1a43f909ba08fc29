import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { PROGRESS_FILE } from './job.ts';
import { statIfExists } from '../../platform/file-system.ts';
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
  readonly #outputFolder: string;
  readonly #limits: StallLimits;
  #sign = '';
  #since = 0;
  #lookedAt = -Infinity;
  #stalledFor: number | undefined;

  constructor(outputFolder: string, limits: StallLimits) {
    this.#outputFolder = outputFolder;
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
    const allowed = (await this.#hasStepped(start)) ? seconds : firstStepSeconds;
    const sign = `${start?.token} ${await activitySignature(this.#outputFolder)}`;
    if (sign !== this.#sign) [this.#sign, this.#since] = [sign, now];
    const silent = (now - this.#since) / 1000;
    this.#stalledFor = silent > allowed ? silent : undefined;
    return this.#stalledFor;
  }

  /** Whether this start, not an earlier one, has made a step. Both times are of the folder's file system. */
  async #hasStepped(start: TrainerStart | undefined): Promise<boolean> {
    const progress = await statIfExists(join(this.#outputFolder, PROGRESS_FILE));
    return progress !== undefined && progress.mtimeMs > (start?.runningSince ?? Infinity);
  }
}

/** The trainer touches this file after each part of a long operation (`trainer/progress.py`). */
const HEARTBEAT_FILE = 'heartbeat';
const GRADUALLY_WRITTEN = ['checkpoints', 'adapter.partial', 'model.partial'];

/** A value that changes whenever the trainer has made progress. */
async function activitySignature(outputFolder: string): Promise<string> {
  const single = [PROGRESS_FILE, HEARTBEAT_FILE].map((name) => join(outputFolder, name));
  const folders = GRADUALLY_WRITTEN.map((name) => join(outputFolder, name));
  const inFolders = await Promise.all(folders.map(filesBelow));
  const signs = await Promise.all([...single, ...inFolders.flat()].map(fileSignature));
  return signs.join();
}

async function filesBelow(folder: string): Promise<string[]> {
  try {
    const entries = await readdir(folder, { recursive: true, withFileTypes: true });
    return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

/** A file may be removed at any time. */
async function fileSignature(file: string): Promise<string> {
  try {
    const { size, mtimeMs } = await stat(file);
    return `${size}/${mtimeMs}`;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return '';
    throw error;
  }
}
