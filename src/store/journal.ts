import { randomUUID } from 'node:crypto';
import type { AppendLog, ObjectStore } from './objects/object-store.ts';

const SYNC_INTERVAL_MS = 250;

/** Returns the prefix of an unfinished artifact's journal. */
export function journalUri(artifactUri: string): string {
  return `${artifactUri}.journal`;
}

/**
 * Reads the records of all segments of a journal. A last line that a crash has truncated is skipped: its record is
 * requested again.
 */
export async function readJournal<T>(objects: ObjectStore, journal: string): Promise<T[]> {
  const records: T[] = [];
  for (const key of await segmentKeys(objects, journal)) {
    const lines = (await objects.get(key))?.content.toString('utf8').split('\n') ?? [];
    // The part after the last newline is empty or truncated.
    for (const line of lines.slice(0, -1)) {
      try {
        records.push(JSON.parse(line) as T);
      } catch {
        // After a power cut, a line may lack blocks that never reached the disk, although later lines did.
      }
    }
  }
  return records;
}

/** A segment is one object, or several objects below its key if the store can't append. */
async function segmentKeys(objects: ObjectStore, journal: string): Promise<string[]> {
  const keys: string[] = [];
  for (const { name, kind } of await objects.children(journal)) {
    if (!name.startsWith('segment-')) continue;
    const key = `${journal}/${name}`;
    if (kind === 'object') keys.push(key);
    else keys.push(...(await objects.children(key)).map((part) => `${key}/${part.name}`));
  }
  return keys;
}

/** Deletes a journal and its leases. */
export async function deleteJournal(objects: ObjectStore, journal: string): Promise<void> {
  for (const { key } of [...(await objects.list(journal)), ...(await objects.listIncomplete(journal))])
    await objects.delete(key);
}

/**
 * Appends records to its own segment. The segment is named by a new UUID, because attempt numbers repeat after a
 * reset. A record is handed to the store immediately, and synced within a quarter of a second; what a sync protects
 * against depends on the store (`AppendLog`).
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
    this.#timer = setInterval(() => void this.flush().catch(() => undefined), SYNC_INTERVAL_MS);
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
    // Records that arrive during a write are written together by the next one.
    if (this.#waiting.length === 1) void this.#write().catch(() => undefined);
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
