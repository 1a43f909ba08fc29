import { randomUUID } from 'node:crypto';
import pLimit from 'p-limit';
import { forEachConcurrently } from '../platform/for-each-concurrently.ts';
import type { AppendLog, ObjectStore } from './objects/object-store.ts';

/** Objects that are read or deleted at the same time: a remote store takes tens of milliseconds for each. */
const CONCURRENT_OBJECTS = 32;

/** Returns the prefix of an unfinished artifact's journal. */
export function journalUri(artifactUri: string): string {
  return `${artifactUri}.journal`;
}

/**
 * Reads the records of all segments of a journal. A last line that a crash has truncated is skipped: its record is
 * requested again.
 */
export async function readJournal<T>(objects: ObjectStore, journal: string): Promise<T[]> {
  // A segment is one object, or several objects below its key if the store can't append.
  const segments = (await objects.list(journal)).filter(({ key }) => key.startsWith(`${journal}/segment-`));
  const read = pLimit(CONCURRENT_OBJECTS);
  const records = segments.map(({ key }) =>
    read(async () => recordsIn<T>((await objects.get(key))?.content.toString('utf8') ?? '')),
  );
  return (await Promise.all(records)).flat();
}

function recordsIn<T>(text: string): T[] {
  // The part after the last newline is empty or truncated.
  return text
    .split('\n')
    .slice(0, -1)
    .flatMap((line) => {
      try {
        return [JSON.parse(line) as T];
      } catch {
        // After a power cut, a line may lack blocks that never reached the disk, although later lines did.
        return [];
      }
    });
}

/** Deletes a journal and its leases. */
export async function deleteJournal(objects: ObjectStore, journal: string): Promise<void> {
  const [complete, incomplete] = await Promise.all([objects.list(journal), objects.listIncomplete(journal)]);
  await forEachConcurrently([...complete, ...incomplete], CONCURRENT_OBJECTS, ({ key }) =>
    objects.delete(key),
  );
}

/**
 * Appends records to its own segment. The segment is named by a new UUID, because attempt numbers repeat after a
 * reset. A record is handed to the store in the same turn of the event loop, and synced within a quarter or half of a second, as the
 * store wants it; what a sync protects against depends on the store (`AppendLog`).
 */
export class JournalWriter {
  readonly #log: AppendLog;
  readonly #timer: NodeJS.Timeout;
  #waiting: string[] = [];
  #writing: Promise<void> = Promise.resolve();
  /** Syncs run separately from writes, so that a slow sync delays no record. */
  #syncing: Promise<void> = Promise.resolve();
  #unsynced = false;
  #failure: unknown;

  private constructor(log: AppendLog) {
    this.#log = log;
    this.#timer = setInterval(() => void this.flush().catch(() => undefined), log.syncIntervalMs);
  }

  static async open(objects: ObjectStore, journal: string): Promise<JournalWriter> {
    return new JournalWriter(await objects.openLog(`${journal}/segment-${randomUUID()}.jsonl`));
  }

  /**
   * Appends a record. Throws an earlier failure of the store here, so that no further answers are paid for and then
   * lost.
   */
  append(record: unknown): void {
    if (this.#failure !== undefined) throw this.#failure as Error;
    this.#waiting.push(`${JSON.stringify(record)}\n`);
    // Records that arrive together, or during a write, are written together.
    if (this.#waiting.length === 1) setImmediate(() => void this.#write().catch(() => undefined));
  }

  /** Resolves when everything appended so far is synced. */
  async flush(): Promise<void> {
    await this.#write();
    this.#syncing = this.#syncing.then(async () => {
      if (!this.#unsynced) return;
      this.#unsynced = false;
      await this.#log.sync();
    });
    this.#syncing.catch((error: unknown) => (this.#failure ??= error));
    await this.#syncing;
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    try {
      await this.flush();
    } finally {
      await this.#log.close();
    }
  }

  /** Writes run one after the other, in order. After a failure nothing more is written. */
  #write(): Promise<void> {
    this.#writing = this.#writing.then(async () => {
      if (this.#waiting.length === 0) return;
      const lines = this.#waiting.join('');
      this.#waiting = [];
      await this.#log.append(lines);
      this.#unsynced = true;
    });
    this.#writing.catch((error: unknown) => (this.#failure ??= error));
    return this.#writing;
  }
}
