import type { AppendLog, ObjectStore } from './object-store.ts';

/** A log for stores that can't append: each sync stores the text since the last one as an object of its own. */
export class ObjectPerFlushLog implements AppendLog {
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
    this.#count += 1;
    const name = `${String(this.#count).padStart(6, '0')}.jsonl`;
    await this.#objects.put(`${this.#prefix}/${name}`, pending.join(''));
  }

  close(): Promise<void> {
    return this.sync();
  }
}
