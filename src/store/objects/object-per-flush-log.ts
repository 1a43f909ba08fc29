import type { AppendLog, ObjectStore } from './object-store.ts';

/**
 * A log for stores that can't append: each sync stores the text since the last one as an object of its own. Its caller begins no
 * sync during another one.
 */
export class ObjectPerFlushLog implements AppendLog {
  // Each object costs as much as a request, and a record is still stored within a second if a put takes half of it.
  readonly syncIntervalMs = 500;
  readonly #objects: ObjectStore;
  readonly #prefix: string;
  #pending: string[] = [];
  #count = 0;

  constructor(objects: ObjectStore, prefix: string) {
    this.#objects = objects;
    this.#prefix = prefix;
  }

  append(text: string): Promise<void> {
    this.#pending.push(text);
    return Promise.resolve();
  }

  async sync(): Promise<void> {
    if (this.#pending.length === 0) return;
    const pending = this.#pending;
    this.#pending = [];
    const name = `${String(this.#count + 1).padStart(6, '0')}.jsonl`;
    try {
      await this.#objects.put(`${this.#prefix}/${name}`, pending.join(''));
      this.#count += 1;
    } catch (error) {
      // The next sync, which may be that of `close`, stores it under the same name.
      this.#pending = [...pending, ...this.#pending];
      throw error;
    }
  }

  close(): Promise<void> {
    return this.sync();
  }
}
