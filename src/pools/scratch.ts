import { appendFile, mkdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { SetAside } from '../artifacts/resume-shard.ts';
import { readLines } from '../benchmarks/read-rows.ts';

const BUFFERED_CHARACTERS = 8 * 2 ** 20;

/** The buckets' names: the first two digits of an id, so that buckets in order hold ids in order. */
export const BUCKETS = Array.from({ length: 256 }, (_, bucket) => bucket.toString(16).padStart(2, '0'));

/**
 * Lines of JSON on disk in buckets by id: more than memory holds, sorted one bucket at a time. A bucket is a 256th of
 * all, as ids are hashes.
 */
export class Buckets {
  readonly #folder: string;
  readonly #waiting = new Map<string, string[]>();
  #characters = 0;

  private constructor(folder: string) {
    this.#folder = folder;
  }

  static async create(folder: string): Promise<Buckets> {
    await mkdir(folder, { recursive: true });
    return new Buckets(folder);
  }

  async append(id: string, record: unknown): Promise<void> {
    const bucket = id.slice(0, 2);
    const line = `${JSON.stringify(record)}\n`;
    const lines = this.#waiting.get(bucket);
    if (lines === undefined) this.#waiting.set(bucket, [line]);
    else lines.push(line);
    this.#characters += line.length;
    if (this.#characters >= BUFFERED_CHARACTERS) await this.flush();
  }

  async flush(): Promise<void> {
    for (const [bucket, lines] of this.#waiting) await appendFile(this.#file(bucket), lines.join(''));
    this.#waiting.clear();
    this.#characters = 0;
  }

  /** The records of a bucket in the order in which they were appended. */
  async records<T>(bucket: string): Promise<T[]> {
    const text = await readFile(this.#file(bucket), 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return '';
      throw error;
    });
    return text
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line) as T);
  }

  async remove(bucket: string): Promise<void> {
    await rm(this.#file(bucket), { force: true });
  }

  #file(bucket: string): string {
    return join(this.#folder, `${bucket}.jsonl`);
  }
}

/** What is known of the rows that were left out for one reason. */
export interface ReasonCount {
  readonly kind: SetAside['kind'];
  readonly reason: string;
  readonly count: number;
  /** Of the first one. */
  readonly example: string;
}

/** The rows that were left out, on disk in the order in which they were found, with their number by reason. */
export class SetAsideLog {
  readonly #file: string;
  readonly #reasons = new Map<string, ReasonCount>();
  #waiting: string[] = [];

  constructor(file: string) {
    this.#file = file;
  }

  get reasons(): readonly ReasonCount[] {
    return [...this.#reasons.values()];
  }

  count(kind?: SetAside['kind']): number {
    return this.reasons.reduce(
      (sum, one) => sum + (kind === undefined || one.kind === kind ? one.count : 0),
      0,
    );
  }

  async add(setAside: SetAside): Promise<void> {
    const { id, kind, reason, detail } = setAside;
    const key = `${kind}: ${reason}`;
    const example = detail === undefined ? id : `${id}: ${detail}`;
    const known = this.#reasons.get(key) ?? { kind, reason, count: 0, example };
    this.#reasons.set(key, { ...known, count: known.count + 1 });
    this.#waiting.push(`${JSON.stringify(setAside)}\n`);
    if (this.#waiting.length >= 10_000) await this.#flush();
  }

  async *entries(): AsyncGenerator<SetAside> {
    await this.#flush();
    for await (const line of readLines(this.#file)) yield JSON.parse(line) as SetAside;
  }

  async #flush(): Promise<void> {
    await appendFile(this.#file, this.#waiting.join(''));
    this.#waiting = [];
  }
}
