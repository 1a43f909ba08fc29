import { constants, createReadStream } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import path from 'node:path';
import { pipeline, type Readable } from 'node:stream';
import { StringDecoder } from 'node:string_decoder';
import { createGunzip } from 'node:zlib';
import { asyncBufferFromFile, parquetMetadataAsync, parquetReadObjects, parquetSchema } from 'hyparquet';
import { compressors } from 'hyparquet-compressors';
import { streamArray } from 'stream-json/streamers/stream-array.js';

/** One row of a file: its number from 0, and its value or why it can't be read. */
export type FileRow =
  { row: number; value: unknown; problem?: undefined } | { row: number; value?: undefined; problem: string };

/** A file that can't be read as rows. The message names its absolute path and what is expected. */
export class UnreadableFile extends Error {
  override readonly name = 'UnreadableFile';
  readonly path: string;

  constructor(file: string, problem: string, options?: ErrorOptions) {
    super(`${file}: ${problem}`, options);
    this.path = file;
  }
}

const allowedExtensions = '.parquet, .jsonl, .jsonl.gz, .json or .json.gz (one array)';

/**
 * Streams the rows of a `.parquet`, `.jsonl` or `.json` file in order; the latter two may be gzipped.
 *
 * Values are JSON values: an int64 becomes a number, or a string if a number would round it, and a timestamp becomes an
 * ISO string. A line that isn't JSON is yielded as a row with a `problem`, so that the caller can count such lines; blank
 * lines are ignored. Memory holds one row of JSON, or one row group of Parquet.
 *
 * @param options.columns the only columns to read. A Parquet file must have all of them; rows of other files may lack
 *   some.
 * @throws UnreadableFile while iterating: no such file, unknown extension, damaged file, missing Parquet column
 */
export async function* readRows(file: string, options: { columns?: string[] } = {}): AsyncGenerator<FileRow> {
  const absolute = path.resolve(file);
  const read = readerFor(absolute);
  await assertReadableFile(absolute);
  try {
    for await (const row of read(absolute, options.columns)) yield row;
  } catch (error) {
    if (error instanceof UnreadableFile) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    throw new UnreadableFile(absolute, `can't be read to the end: ${reason}`, { cause: error });
  }
}

/**
 * The number of rows of a file. Rows are parsed only in a JSON array: Parquet stores the number, and of JSON Lines all
 * lines that aren't blank count.
 * @throws UnreadableFile as `readRows` does
 */
export async function countRows(file: string): Promise<number> {
  const lower = file.toLowerCase();
  let rows = 0;
  if (lower.endsWith('.parquet')) {
    const { num_rows: number } = await asyncBufferFromFile(file)
      .then((buffer) => parquetMetadataAsync(buffer))
      .catch((error: unknown) => {
        throw new UnreadableFile(file, 'is not a readable Parquet file', { cause: error });
      });
    return Number(number);
  }
  if (/\.jsonl(\.gz)?$/.test(lower)) {
    await assertReadableFile(file);
    for await (const line of readLines(file)) if (line.trim() !== '') rows += 1;
    return rows;
  }
  for await (const _row of readRows(file)) rows += 1;
  return rows;
}

type Reader = (file: string, columns: string[] | undefined) => AsyncIterable<FileRow>;

function readerFor(file: string): Reader {
  const lower = file.toLowerCase();
  if (lower.endsWith('.parquet')) return readParquet;
  if (lower.endsWith('.jsonl') || lower.endsWith('.jsonl.gz')) return readJsonLines;
  if (lower.endsWith('.json') || lower.endsWith('.json.gz')) return readJsonArray;
  throw new UnreadableFile(file, `has an unknown extension; allowed: ${allowedExtensions}`);
}

async function assertReadableFile(file: string): Promise<void> {
  const found = await stat(file).catch(() => undefined);
  if (!found) throw new UnreadableFile(file, `does not exist; expected a file: ${allowedExtensions}`);
  if (!found.isFile()) throw new UnreadableFile(file, `is not a file; expected ${allowedExtensions}`);
  await access(file, constants.R_OK).catch((error: unknown) => {
    throw new UnreadableFile(file, 'is not readable for this user', { cause: error });
  });
}

async function* readParquet(file: string, columns: string[] | undefined): AsyncGenerator<FileRow> {
  const buffer = await asyncBufferFromFile(file);
  const metadata = await parquetMetadataAsync(buffer);
  const present = parquetSchema(metadata).children.map((child) => child.element.name);
  const missing = columns?.filter((column) => !present.includes(column)) ?? [];
  if (missing.length > 0) {
    throw new UnreadableFile(file, `has no column ${quoted(missing)}; its columns are ${quoted(present)}`);
  }
  const options = { file: buffer, metadata, compressors, ...(columns && { columns }) };
  let row = 0;
  for (const group of metadata.row_groups) {
    const values = await parquetReadObjects({
      ...options,
      rowStart: row,
      rowEnd: row + Number(group.num_rows),
    });
    for (const value of values) yield { row: row++, value: toJsonValue(value) };
  }
}

async function* readJsonLines(file: string, columns: string[] | undefined): AsyncGenerator<FileRow> {
  let row = 0;
  let lineNumber = 0;
  for await (const line of readLines(file)) {
    lineNumber++;
    if (line.trim() === '') continue;
    yield parseLine(line, row++, lineNumber, columns);
  }
}

function parseLine(line: string, row: number, lineNumber: number, columns: string[] | undefined): FileRow {
  try {
    return { row, value: pick(JSON.parse(line), columns) };
  } catch (error) {
    return { row, problem: `line ${lineNumber} is not JSON: ${(error as Error).message}` };
  }
}

/** The lines of a file. Only a newline ends a line: `node:readline` also splits at U+2028, which JSON strings may contain. */
export async function* readLines(file: string): AsyncGenerator<string> {
  const bytes = openBytes(file);
  const decoder = new StringDecoder('utf8');
  let pending = '';
  let first = true;
  for await (const chunk of bytes as AsyncIterable<Buffer>) {
    let text = decoder.write(chunk);
    if (first && text !== '') {
      text = text.replace(/^\uFEFF/, '');
      first = false;
    }
    const lines = text.split('\n');
    lines[0] = pending + (lines[0] ?? '');
    pending = lines.pop() ?? '';
    yield* lines;
  }
  pending += decoder.end();
  if (pending !== '') yield pending;
}

async function* readJsonArray(file: string, columns: string[] | undefined): AsyncGenerator<FileRow> {
  await assertArray(file);
  const items = streamArray.withParserAsStream();
  pipeline(openBytes(file), items, () => {});
  for await (const { key: row, value } of items as AsyncIterable<{ key: number; value: unknown }>) {
    yield { row, value: pick(value, columns) };
  }
}

async function assertArray(file: string): Promise<void> {
  for await (const chunk of openBytes(file) as AsyncIterable<Buffer>) {
    const start = /[^\s\uFEFF]/u.exec(chunk.toString('utf8'))?.[0];
    if (start === '[') return;
    if (start !== undefined) break;
  }
  throw new UnreadableFile(
    file,
    'contains no JSON array: it must begin with "["; a file with one object per line must be called .jsonl',
  );
}

/** The bytes of a file, decompressed. Errors reach the reader of the stream. */
function openBytes(file: string): Readable {
  const raw = createReadStream(file);
  // Without the callback, pipeline would throw.
  return file.toLowerCase().endsWith('.gz') ? pipeline(raw, createGunzip(), () => {}) : raw;
}

function pick(value: unknown, columns: string[] | undefined): unknown {
  if (!columns || typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).filter(([name]) => columns.includes(name)));
}

function toJsonValue(value: unknown): unknown {
  if (typeof value === 'bigint')
    return Number.isSafeInteger(Number(value)) ? Number(value) : value.toString();
  if (value instanceof Date) return value.toISOString();
  if (Array.isArray(value)) return value.map(toJsonValue);
  if (ArrayBuffer.isView(value)) return Array.from(value as unknown as Iterable<unknown>, toJsonValue);
  if (typeof value === 'object' && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([name, field]) => [name, toJsonValue(field)]));
  }
  return value;
}

function quoted(names: string[]): string {
  return names.map((name) => `"${name}"`).join(', ');
}
