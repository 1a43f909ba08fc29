import { randomUUID } from 'node:crypto';
import { open, readdir, readFile, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { makeFolder, onDisk } from './on-disk.ts';

const SYNC_MILLISECONDS = 250;

/** The records of all segments in a folder. A line that a crash has torn is passed over: its record is asked for again. */
export async function readSegments<T>(folder: string): Promise<T[]> {
  const names = (await readdir(folder)).filter((name) => name.startsWith('segment-')).sort();
  const records: T[] = [];
  for (const name of names) {
    const lines = (await readFile(join(folder, name), 'utf8')).split('\n');
    // What follows the last newline is empty, or torn.
    for (const line of lines.slice(0, -1)) {
      try {
        records.push(JSON.parse(line) as T);
      } catch {
        // After a power cut, a line may lack blocks that never reached the disk, though later lines did.
      }
    }
  }
  return records;
}

/**
 * Appends records to a segment of its own, named by a fresh UUID, because attempt numbers repeat after a reset. A
 * record is written at once, so that the end of the process loses none, and synced to the disk within a quarter of a
 * second, for the end of the machine.
 */
export class SegmentWriter {
  readonly #path: string;
  readonly #file: FileHandle;
  readonly #timer: NodeJS.Timeout;
  #waiting: string[] = [];
  #writing: Promise<void> = Promise.resolve();
  /** Beside the writes: a disk that takes long to sync holds no record back. */
  #syncing: Promise<void> = Promise.resolve();
  #unsynced = false;
  #failure: unknown;

  private constructor(path: string, file: FileHandle) {
    this.#path = path;
    this.#file = file;
    this.#timer = setInterval(() => void this.flush().catch(() => undefined), SYNC_MILLISECONDS);
  }

  static async create(folder: string): Promise<SegmentWriter> {
    const path = join(folder, `segment-${randomUUID()}.jsonl`);
    return onDisk(path, async () => {
      await makeFolder(folder);
      return new SegmentWriter(path, await open(path, 'ax'));
    });
  }

  /** Takes a record. A disk that failed before is reported here, so that no more answers are paid for in vain. */
  append(record: unknown): void {
    if (this.#failure !== undefined) throw this.#failure as Error;
    this.#waiting.push(`${JSON.stringify(record)}\n`);
    // Those that come while a write is under way share the next one.
    if (this.#waiting.length === 1) void this.#write().catch(() => undefined);
  }

  /** Resolves when all that was appended is synced to the disk. */
  async flush(): Promise<void> {
    await this.#write();
    this.#syncing = this.#syncing.then(async () => {
      if (!this.#unsynced) return;
      this.#unsynced = false;
      await onDisk(this.#path, () => this.#file.datasync());
    });
    this.#syncing.catch((error: unknown) => (this.#failure ??= error));
    await this.#syncing;
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    try {
      await this.flush();
    } finally {
      await this.#file.close();
    }
  }

  /** One write after the other, in order; after a failure none. */
  #write(): Promise<void> {
    this.#writing = this.#writing.then(async () => {
      if (this.#waiting.length === 0) return;
      const lines = this.#waiting.join('');
      this.#waiting = [];
      await onDisk(this.#path, () => this.#file.appendFile(lines));
      this.#unsynced = true;
    });
    this.#writing.catch((error: unknown) => (this.#failure ??= error));
    return this.#writing;
  }
}
