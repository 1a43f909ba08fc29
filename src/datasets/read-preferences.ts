import { columnsOf, detectRowFormat } from './rows/file-columns.ts';
import { RATED_COLUMNS } from './rated-columns.ts';
import { readRows } from './rows/read-rows.ts';
import type { DataFile } from './rows/data-file.ts';
import { userRequestKey } from '../method/conversation.ts';
import { stableHash } from '../platform/stable-hash.ts';
import type { UnusableRow } from './rows/unusable-row.ts';
import type { PreferenceFormat, PreferenceTexts, DataRow } from './preference-formats/preference-format.ts';
import { preferenceFormats, type PreferenceFormatName } from './preference-formats/registry.ts';
import { isObject } from '../platform/is-object.ts';

/** The file and row of a preference. */
export interface RowOrigin {
  /** The file's name in the configuration. */
  readonly file: string;
  /** The row's number from 0; of the first row if a preference has two. */
  readonly row: number;
}

/** A preference of a file, with its id. */
export interface Preference extends PreferenceTexts {
  /** A hash of the request and both responses, independent of their order: the same pair has the same id in every file. */
  readonly id: string;
  /** The value of the column `subset`, if it exists. */
  readonly subset?: string;
  /** The row, if it has a column of models or raters (`rated-columns.ts`). */
  readonly rated?: DataRow;
}

/** The result of reading one row, or the two rows of a preference. */
export type ReadPreference = { readonly origin: RowOrigin } & (
  | { readonly kind: 'preference'; readonly preference: Preference }
  | (UnusableRow & { readonly detail?: string })
);

export type RequestedFormat = PreferenceFormatName | 'auto';

const SUBSET = 'subset';

/**
 * Streams the preferences of files in order. Memory holds one row group of Parquet, or one line. The caller decides
 * whether a preference is useful, such as one with equal responses.
 *
 * @param toDecide advice in the message if `auto` can't determine the format
 * @throws UnreadableFile with the absolute path if a file can't be read or its columns don't fit
 */
export async function* readPreferences(
  files: readonly DataFile[],
  format: RequestedFormat,
  toDecide: string,
): AsyncGenerator<ReadPreference> {
  for (const { name: file, path } of files) {
    for await (const { row, ...result } of readFile(path, format, toDecide)) {
      yield { origin: { file, row }, ...result };
    }
  }
}

/** Checks that a file can be opened and has a known format, without reading all of it. */
export async function checkPreferenceFile(
  path: string,
  name: RequestedFormat,
  toDecide: string,
): Promise<void> {
  const columns = await columnsOf(path);
  if (columns !== undefined) detectRowFormat(path, columns, preferenceFormats, { name, toDecide });
}

interface NumberedRow {
  readonly row: number;
  readonly value: DataRow;
}

type NumberedPreference = { readonly row: number } & (
  | { readonly kind: 'preference'; readonly preference: Preference }
  | (UnusableRow & { readonly detail?: string })
);

async function* readFile(
  path: string,
  name: RequestedFormat,
  toDecide: string,
): AsyncGenerator<NumberedPreference> {
  const columns = await columnsOf(path);
  // Without columns, no row is an object, so every row is unusable.
  const format =
    columns === undefined ? undefined : detectRowFormat(path, columns, preferenceFormats, { name, toDecide });
  const options = format && {
    columns: [
      ...format.requiredColumns,
      ...[SUBSET, ...RATED_COLUMNS].filter((column) => columns?.includes(column)),
    ],
  };
  let pending: NumberedRow | undefined;
  for await (const { row, value, problem } of readRows(path, options)) {
    if (problem !== undefined) yield { row, kind: 'failed', reason: 'not JSON', detail: problem };
    else if (!isObject(value) || format === undefined) yield { row, kind: 'failed', reason: 'not an object' };
    else if (format.isRowPair === undefined) yield readRow(format, { row, value });
    else if (pending === undefined) pending = { row, value };
    else if (format.isRowPair(pending.value, value)) {
      yield readRow(format, pending, value);
      pending = undefined;
    } else {
      yield missingSecondRow(pending);
      pending = { row, value };
    }
  }
  if (pending !== undefined) yield missingSecondRow(pending);
}

function missingSecondRow({ row }: NumberedRow): NumberedPreference {
  return { row, kind: 'failed', reason: 'no second response to its prompt follows' };
}

function readRow(
  format: PreferenceFormat,
  { row, value }: NumberedRow,
  second?: DataRow,
): NumberedPreference {
  const read = format.read(value, second);
  if ('reason' in read) return { row, ...read };
  const id = stableHash(userRequestKey(read), ...[read.chosen, read.rejected].sort());
  const { [SUBSET]: subset } = value;
  const subsetField = typeof subset === 'string' && subset !== '' ? { subset } : {};
  const ratedField = RATED_COLUMNS.some((name) => name in value) ? { rated: value } : {};
  return { row, kind: 'preference', preference: { id, ...read, ...subsetField, ...ratedField } };
}
