import { constants, createReadStream } from 'node:fs';
import { quote } from '../../platform/quotes.ts';
import { access, stat } from 'node:fs/promises';
import path from 'node:path';
import { pipeline, type Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import {
  asyncBufferFromFile,
  parquetMetadataAsync,
  parquetReadObjects,
  parquetSchema,
  type RowGroup,
} from 'hyparquet';
import { compressors } from 'hyparquet-compressors';
import { decodeText } from './decode-text.ts';
import { MAX_ROW_CHARACTERS, parseJson, splitArray, splitLines } from './json-text.ts';
import { UnreadableFile } from './unreadable-file.ts';

export { UnreadableFile };

/** One row of a file: its number from 0, and its value or why it can't be read. */
export type FileRow =
  { row: number; value: unknown; problem?: undefined } | { row: number; value?: undefined; problem: string };

const MAX_GROUP_ROWS = 2 ** 23;
const MAX_GROUP_BYTES = 2 ** 32;

const allowedExtensions = '.parquet, .jsonl, .jsonl.gz, .json or .json.gz';

/**
 * Streams the rows of a `.parquet`, `.jsonl` or `.json` file in order; the latter two may be gzipped.
 *
 * Both extensions of JSON may hold one object per line or one array. Text is UTF-8, or UTF-16 with a byte order mark.
 *
 * Values are JSON values: an int64 becomes a number, or a string if a number would round it, a timestamp becomes an ISO
 * string, and a number that is not finite becomes null. A row that isn't JSON is yielded with a `problem`, so that the
 * caller can count such rows; blank lines are ignored. Memory holds one row of JSON, or one row group of Parquet.
 *
 * @param options.columns the only columns to read. A Parquet file must have all of them; rows of other files may lack
 *   some.
 * @throws UnreadableFile while iterating: no such file, unknown extension or encoding, damaged file, missing Parquet column
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
 * The number of rows of a file. Rows are parsed only if the file is not called `.jsonl`: Parquet stores the number, and of
 * JSON Lines all lines that aren't blank count.
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
    if ((await jsonLayout(file)) === 'lines') {
      for await (const line of readLines(file)) if (line.trim() !== '') rows += 1;
      return rows;
    }
  }
  for await (const _row of readRows(file)) rows += 1;
  return rows;
}

type Reader = (file: string, columns: string[] | undefined) => AsyncIterable<FileRow>;

function readerFor(file: string): Reader {
  const lower = file.toLowerCase();
  if (lower.endsWith('.parquet')) return readParquet;
  if (/\.jsonl?(\.gz)?$/.test(lower)) return readJson;
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
    requireReadableGroup(file, group, columns);
    const values = await parquetReadObjects({
      ...options,
      rowStart: row,
      rowEnd: row + Number(group.num_rows),
    });
    for (const value of values) yield { row: row++, value: toJsonValue(value) };
  }
}

/** A row group is read as a whole, and compressed rows may take thousands of times their size in the file. */
function requireReadableGroup(file: string, group: RowGroup, columns: string[] | undefined): void {
  const read = group.columns.filter(
    ({ meta_data: data }) => columns?.includes(data?.path_in_schema[0] ?? '') ?? true,
  );
  const bytes = read.reduce(
    (sum, { meta_data: data }) => sum + Number(data?.total_uncompressed_size ?? 0),
    0,
  );
  const rows = Number(group.num_rows);
  if (rows <= MAX_GROUP_ROWS && bytes <= MAX_GROUP_BYTES) return;
  throw new UnreadableFile(
    file,
    `has a row group of ${rows} rows and ${bytes} bytes, which is read as a whole; allowed are ${MAX_GROUP_ROWS} rows and ` +
      `${MAX_GROUP_BYTES} bytes. Write it again with smaller ones, such as row_group_size=100_000 in pyarrow`,
  );
}

async function* readJson(file: string, columns: string[] | undefined): AsyncGenerator<FileRow> {
  let row = 0;
  if ((await jsonLayout(file)) === 'array') {
    for await (const element of splitArray(readText(file)))
      yield parseRow(element, `element ${row}`, row++, columns);
    return;
  }
  let lineNumber = 0;
  for await (const line of splitLines(readText(file), { maxLength: MAX_ROW_CHARACTERS })) {
    lineNumber++;
    if (line.trim() !== '') yield parseRow(line, `line ${lineNumber}`, row++, columns);
  }
}

function parseRow(text: string, place: string, row: number, columns: string[] | undefined): FileRow {
  if (text.length > MAX_ROW_CHARACTERS)
    return { row, problem: `${place} is longer than ${MAX_ROW_CHARACTERS} characters` };
  try {
    // The second of two files that were concatenated may bring its own byte order mark.
    return { row, value: pick(parseJson(text.replace(/^\uFEFF/, '')), columns) };
  } catch (error) {
    return { row, problem: `${place} is not JSON: ${quote((error as Error).message)}` };
  }
}

/**
 * Tells a file with one array from one with a row on each line. People name both `.json` and `.jsonl`, so the text decides: lines
 * that are arrays themselves are possible only in `.jsonl`, and only if the first one is complete and another one follows.
 *
 * @throws UnreadableFile if a `.json` is neither
 */
async function jsonLayout(file: string): Promise<'array' | 'lines'> {
  const isNamedLines = /\.jsonl(\.gz)?$/.test(file.toLowerCase());
  if ((await firstCharacter(file)) === '[') {
    if (!isNamedLines) return 'array';
    const [first = '', second] = await firstLines(file);
    // No row is so long.
    if (first.length > MAX_ROW_CHARACTERS) return 'array';
    return isJson(first) === (second === undefined) || /^\[\s*$/.test(first) ? 'array' : 'lines';
  }
  if (isNamedLines) return 'lines';
  const [first = '', second] = await firstLines(file);
  if (second !== undefined && isJson(first)) return 'lines';
  throw new UnreadableFile(
    file,
    'contains no JSON array: it must begin with "[", or have one object on each line as a .jsonl',
  );
}

function isJson(text: string): boolean {
  try {
    parseJson(text);
    return true;
  } catch {
    return false;
  }
}

async function firstCharacter(file: string): Promise<string | undefined> {
  for await (const text of readText(file)) {
    const found = /\S/.exec(text)?.[0];
    if (found !== undefined) return found;
  }
  return undefined;
}

/** The first two lines that aren't blank. */
async function firstLines(file: string): Promise<string[]> {
  const lines: string[] = [];
  for await (const line of splitLines(readText(file), { maxLength: MAX_ROW_CHARACTERS })) {
    if (line.trim() !== '') lines.push(line.trim());
    if (lines.length === 2) break;
  }
  return lines;
}

function readText(file: string): AsyncGenerator<string> {
  return decodeText(file, () => openBytes(file) as AsyncIterable<Buffer>);
}

/** The lines of a file. Other marks end no line: `node:readline` also splits at U+2028, which JSON strings may contain. */
export function readLines(file: string): AsyncGenerator<string> {
  return splitLines(readText(file));
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
  if (typeof value === 'number' && !Number.isFinite(value)) return null;
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
