import { existsSync } from 'node:fs';
import { appendFile, mkdir, open, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { withStorageErrors } from '../platform/file-system.ts';
import type { SkippedRecord } from '../store/shard-types.ts';
import { readLines } from './rows/read-rows.ts';

/** Size of the write buffer of each bucket. */
const BUFFER_BYTES = 32 * 1024;
const EXAMPLE_CHARACTERS = 200;
const LOG_BUFFER_CHARACTERS = 256 * 1024;

/** The names of the buckets: the first two digits of an id, so that the order of buckets is the order of ids. */
export const BUCKET_NAMES = Array.from({ length: 256 }, (_, bucket) => bucket.toString(16).padStart(2, '0'));

/** A line, including its newline. */
export type Line = Buffer;

/** The id follows `{"id":"`. */
const ID_STARTS = 7;
const ID_LENGTH = 16;

/** The id of a record, read from the beginning of its line. */
export function lineId(line: Line): string {
  return line.toString('latin1', ID_STARTS, ID_STARTS + ID_LENGTH);
}

export function parseLine<T>(line: Line): T {
  return JSON.parse(line.toString('utf8')) as T;
}

const NEWLINE = 0x0a;

interface WriteBuffer {
  readonly buffer: Buffer;
  used: number;
}

/**
 * Stores lines of JSON on disk in buckets by id, so that more of them than fit into memory can be sorted, one bucket at a
 * time. Because ids are hashes, a bucket holds 1/256 of all lines. Lines are collected in buffers of fixed size, 8 MB in
 * total, before they are written: long-lived strings would be garbage-collected late.
 */
export class DiskBuckets {
  readonly #folder: string;
  readonly #buffers = new Map<string, WriteBuffer>();
  #bytes = Buffer.alloc(0);
  #written = Buffer.alloc(0);

  private constructor(folder: string) {
    this.#folder = folder;
  }

  static async create(folder: string): Promise<DiskBuckets> {
    await mkdir(folder, { recursive: true });
    return new DiskBuckets(folder);
  }

  /** @param record must have its id, a hash, as its first field */
  async append<T extends { readonly id: string }>(record: T): Promise<void> {
    const bucket = record.id.slice(0, 2);
    const line = `${JSON.stringify(record)}\n`;
    const bytes = Buffer.byteLength(line);
    const pending = this.#buffers.get(bucket) ?? { buffer: Buffer.allocUnsafeSlow(BUFFER_BYTES), used: 0 };
    this.#buffers.set(bucket, pending);
    if (pending.used + bytes > BUFFER_BYTES) await this.#write(bucket, pending);
    if (bytes > BUFFER_BYTES) await append(this.#file(bucket), line);
    else pending.used += pending.buffer.write(line, pending.used);
  }

  /** Writes and releases the buffers. */
  async flush(): Promise<void> {
    for (const [bucket, pending] of this.#buffers) await this.#write(bucket, pending);
    this.#buffers.clear();
  }

  async #write(bucket: string, pending: WriteBuffer): Promise<void> {
    await append(this.#file(bucket), pending.buffer.subarray(0, pending.used));
    pending.used = 0;
  }

  /**
   * The lines of a bucket in the order in which they were appended. They are valid only until the next call, which reuses
   * their buffer, because large strings would be garbage-collected late.
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

  /** Replaces the lines of a bucket. */
  async replace(bucket: string, lines: readonly Line[]): Promise<void> {
    if (lines.length === 0 && !existsSync(this.#file(bucket))) return;
    const size = lines.reduce((sum, line) => sum + line.length, 0);
    if (this.#written.length < size) this.#written = Buffer.allocUnsafeSlow(2 * size);
    let used = 0;
    for (const line of lines) used += line.copy(this.#written, used);
    const file = this.#file(bucket);
    await withStorageErrors(file, () => writeFile(file, this.#written.subarray(0, used)));
  }

  /** All records, bucket by bucket: in the order of ids if each bucket is sorted. */
  async *records<T>(): AsyncGenerator<T> {
    for (const bucket of BUCKET_NAMES) for (const line of await this.lines(bucket)) yield parseLine<T>(line);
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

/** Node's error of a full disk does not name the file. */
async function append(file: string, content: string | Uint8Array): Promise<void> {
  await withStorageErrors(file, () => appendFile(file, content));
}

/** The number of rows that were skipped for one reason, with an example. */
export interface SkipReasonCount {
  readonly kind: SkippedRecord['kind'];
  readonly reason: string;
  readonly count: number;
  /** Describes the first of these rows. */
  readonly example: string;
}

/** Writes skipped rows to a file in the order in which they are found, and counts them by reason. */
export class SkippedLog {
  readonly #file: string;
  readonly #reasons = new Map<string, SkipReasonCount>();
  #pending = '';

  constructor(file: string) {
    this.#file = file;
  }

  get reasons(): readonly SkipReasonCount[] {
    return [...this.#reasons.values()];
  }

  count(kind?: SkippedRecord['kind']): number {
    return this.reasons.reduce(
      (sum, entry) => sum + (kind === undefined || entry.kind === kind ? entry.count : 0),
      0,
    );
  }

  async add(record: SkippedRecord): Promise<void> {
    const { id, kind, reason, detail } = record;
    const key = `${kind}: ${reason}`;
    const example = detail === undefined ? id : `${id}: ${detail}`.slice(0, EXAMPLE_CHARACTERS);
    const previous = this.#reasons.get(key) ?? { kind, reason, count: 0, example };
    this.#reasons.set(key, { ...previous, count: previous.count + 1 });
    this.#pending += `${JSON.stringify(record)}\n`;
    if (this.#pending.length >= LOG_BUFFER_CHARACTERS) await this.#flush();
  }

  async *entries(): AsyncGenerator<SkippedRecord> {
    await this.#flush();
    for await (const line of readLines(this.#file)) yield JSON.parse(line) as SkippedRecord;
  }

  async #flush(): Promise<void> {
    await append(this.#file, this.#pending);
    this.#pending = '';
  }
}
