import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { PROGRESS_FILE, type TrainingProgress } from './job.ts';
import type { Start } from './starts.ts';

/** How long a training may show no progress, in seconds. */
export interface StallLimits {
  /** Once the trainer has made a step. */
  readonly seconds: number;
  /** Before that, while it loads the model and whatever else its first step needs. */
  readonly firstStepSeconds: number;
}

/**
 * Tells whether a trainer gets on: by its steps, by what it writes of checkpoint and model, and by the file that it touches
 * within a long step. That its process is there, and renews its lease from a thread of its own, says nothing of that.
 */
export class StallWatch {
  readonly #outputFolder: string;
  readonly #limits: StallLimits;
  #sign = '';
  #since = 0;
  #lookedAt = -Infinity;

  constructor(outputFolder: string, limits: StallLimits) {
    this.#outputFolder = outputFolder;
    this.#limits = limits;
  }

  /**
   * How long the trainer of a start has shown nothing, in seconds, where that is longer than it may; else undefined. It
   * counts from when we first saw the last sign, by our own clock.
   */
  async stalledFor(
    start: Start | undefined,
    progress: TrainingProgress | undefined,
  ): Promise<number | undefined> {
    const { seconds, firstStepSeconds } = this.#limits;
    const allowed = hasStepped(start, progress) ? seconds : firstStepSeconds;
    const now = performance.now();
    // The files of a large checkpoint are many, and a shared folder takes its time for each.
    if (now - this.#lookedAt < Math.min(10_000, allowed * 100)) return undefined;
    this.#lookedAt = now;
    const sign = `${start?.token} ${await latestSign(this.#outputFolder)}`;
    if (sign !== this.#sign) [this.#sign, this.#since] = [sign, now];
    const silent = (now - this.#since) / 1000;
    return silent > allowed ? silent : undefined;
  }
}

/** Whether the last step is of this start, not of one before it. Steps carry the time cut to the second. */
function hasStepped(start: Start | undefined, progress: TrainingProgress | undefined): boolean {
  if (progress === undefined || start?.startedAt === undefined) return false;
  return Date.parse(progress.time) > start.startedAt;
}

/** Touched by the trainer whenever it has done a part of what may take long (`trainer/progress.py`). */
const HEARTBEAT_FILE = 'heartbeat';
const WRITTEN_BY_PARTS = ['checkpoints', 'adapter.partial', 'model.partial'];

/** Changes whenever the trainer has done something. */
async function latestSign(outputFolder: string): Promise<string> {
  const single = [PROGRESS_FILE, HEARTBEAT_FILE].map((name) => join(outputFolder, name));
  const folders = WRITTEN_BY_PARTS.map((name) => join(outputFolder, name));
  const inFolders = await Promise.all(folders.map(filesBelow));
  const signs = await Promise.all([...single, ...inFolders.flat()].map(signOf));
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

/** A file may go while we look. */
async function signOf(file: string): Promise<string> {
  try {
    const { size, mtimeMs } = await stat(file);
    return `${size}/${mtimeMs}`;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return '';
    throw error;
  }
}
