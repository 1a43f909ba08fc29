import { existsSync } from 'node:fs';
import { appendFile, mkdir, open, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { SetAside } from '../artifacts/resume-shard.ts';
import { readLines } from '../benchmarks/read-rows.ts';

/** Of each bucket, what waits to be written. */
const BUFFER_BYTES = 32 * 1024;
const EXAMPLE_CHARACTERS = 200;
const SET_ASIDE_CHARACTERS = 256 * 1024;

/** The buckets' names: the first two digits of an id, so that buckets in order hold ids in order. */
export const BUCKETS = Array.from({ length: 256 }, (_, bucket) => bucket.toString(16).padStart(2, '0'));

/** A line with its newline. */
export type Line = Buffer;

/** After `{"id":"`. */
const ID_STARTS = 7;
const ID_LENGTH = 16;

/** The id of a record's line, which begins with it. */
export function idOf(line: Line): string {
  return line.toString('latin1', ID_STARTS, ID_STARTS + ID_LENGTH);
}

export function recordIn<T>(line: Line): T {
  return JSON.parse(line.toString('utf8')) as T;
}

const NEWLINE = 0x0a;

interface Waiting {
  readonly buffer: Buffer;
  used: number;
}

/**
 * Lines of JSON on disk in buckets by id: more than memory holds, sorted one bucket at a time. A bucket is a 256th of
 * all, as ids are hashes. What waits to be written stands in buffers of fixed size, 8 MB in all, because strings that
 * wait grow old, and old garbage is collected late.
 */
export class Buckets {
  readonly #folder: string;
  readonly #waiting = new Map<string, Waiting>();
  #bytes = Buffer.alloc(0);
  #written = Buffer.alloc(0);

  private constructor(folder: string) {
    this.#folder = folder;
  }

  static async create(folder: string): Promise<Buckets> {
    await mkdir(folder, { recursive: true });
    return new Buckets(folder);
  }

  /** @param record its first field is its id, a hash */
  async append<T extends { readonly id: string }>(record: T): Promise<void> {
    const bucket = record.id.slice(0, 2);
    const line = `${JSON.stringify(record)}\n`;
    const bytes = Buffer.byteLength(line);
    const waiting = this.#waiting.get(bucket) ?? { buffer: Buffer.allocUnsafeSlow(BUFFER_BYTES), used: 0 };
    this.#waiting.set(bucket, waiting);
    if (waiting.used + bytes > BUFFER_BYTES) await this.#write(bucket, waiting);
    if (bytes > BUFFER_BYTES) await appendFile(this.#file(bucket), line);
    else waiting.used += waiting.buffer.write(line, waiting.used);
  }

  /** Writes what waits and lets go of the buffers. */
  async flush(): Promise<void> {
    for (const [bucket, waiting] of this.#waiting) await this.#write(bucket, waiting);
    this.#waiting.clear();
  }

  async #write(bucket: string, waiting: Waiting): Promise<void> {
    await appendFile(this.#file(bucket), waiting.buffer.subarray(0, waiting.used));
    waiting.used = 0;
  }

  /**
   * The lines of a bucket in the order in which they were appended. They stand in a buffer that the next bucket is read
   * into, because large strings are collected late as well: use them before.
   */
  async lines(bucket: string): Promise<Line[]> {
    const bytes = await this.#read(bucket);
    const lines: Line[] = [];
    for (let start = 0; start < bytes.length;) {
      const end = bytes.indexOf(NEWLINE, start);
      lines.push(bytes.subarray(start, end + 1));
      start = end + 1;
    }
    return lines;
  }

  /** Puts lines in the place of a bucket's. */
  async replace(bucket: string, lines: readonly Line[]): Promise<void> {
    if (lines.length === 0 && !existsSync(this.#file(bucket))) return;
    const size = lines.reduce((sum, line) => sum + line.length, 0);
    if (this.#written.length < size) this.#written = Buffer.allocUnsafeSlow(2 * size);
    let used = 0;
    for (const line of lines) used += line.copy(this.#written, used);
    await writeFile(this.#file(bucket), this.#written.subarray(0, used));
  }

  /** All records, in the order of ids once each bucket is sorted. */
  async *records<T>(): AsyncGenerator<T> {
    for (const bucket of BUCKETS) for (const line of await this.lines(bucket)) yield recordIn<T>(line);
  }

  async #read(bucket: string): Promise<Buffer> {
    if (!existsSync(this.#file(bucket))) return this.#bytes.subarray(0, 0);
    const file = await open(this.#file(bucket), 'r');
    try {
      const { size } = await file.stat();
      if (this.#bytes.length < size) this.#bytes = Buffer.allocUnsafeSlow(2 * size);
      let used = 0;
      while (used < size) used += (await file.read(this.#bytes, used, size - used)).bytesRead;
      return this.#bytes.subarray(0, size);
    } finally {
      await file.close();
    }
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
  #waiting = '';

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
    const example = detail === undefined ? id : `${id}: ${detail}`.slice(0, EXAMPLE_CHARACTERS);
    const known = this.#reasons.get(key) ?? { kind, reason, count: 0, example };
    this.#reasons.set(key, { ...known, count: known.count + 1 });
    this.#waiting += `${JSON.stringify(setAside)}\n`;
    if (this.#waiting.length >= SET_ASIDE_CHARACTERS) await this.#flush();
  }

  async *entries(): AsyncGenerator<SetAside> {
    await this.#flush();
    for await (const line of readLines(this.#file)) yield JSON.parse(line) as SetAside;
  }

  async #flush(): Promise<void> {
    await appendFile(this.#file, this.#waiting);
    this.#waiting = '';
  }
}
