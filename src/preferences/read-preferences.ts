import { columnsOf, layoutOf } from '../benchmarks/file-columns.ts';
import { readRows } from '../benchmarks/read-rows.ts';
import type { DataFile } from '../config/input-files.ts';
import { keyOf } from '../judge/conversation.ts';
import { hashOf } from '../judge/seeds.ts';
import type { PreferenceLayoutName } from './layout-names.ts';
import type { NoPreference, PreferenceLayout, Preferred, Row } from './layout.ts';
import { preferenceLayouts } from './layouts.ts';

/** Where a preference stands. */
export interface RowOrigin {
  /** The file as the configuration names it. */
  readonly file: string;
  /** From 0; of the first one where two rows make a preference. */
  readonly row: number;
}

/** What was asked, the response that was preferred, and the other one. */
export interface Preference extends Preferred {
  /** A hash of what is asked and of both responses, in either order: the same pair has the same id in any file. */
  readonly id: string;
  /** Of the column `subset`, where there is one. */
  readonly subset?: string;
}

/** What a row, or two, come to. */
export type ReadPreference = { readonly origin: RowOrigin } & (
  | { readonly kind: 'preference'; readonly preference: Preference }
  | (NoPreference & { readonly detail?: string })
);

export type WantedLayout = PreferenceLayoutName | 'auto';

const SUBSET = 'subset';

/**
 * Streams the preferences of files of any size and layout, in their order: one row group of parquet, or one line, is in
 * memory at a time. What a preference is worth, such as one whose responses are equal, is for the caller to say.
 *
 * @param toDecide what to do where `auto` can't tell the layout, for the message
 * @throws UnreadableFileError for a file that can't be read, or whose columns don't fit; names the absolute path
 */
export async function* readPreferences(
  files: readonly DataFile[],
  wanted: WantedLayout,
  toDecide: string,
): AsyncGenerator<ReadPreference> {
  for (const { name: file, path } of files) {
    for await (const { row, ...found } of readFile(path, wanted, toDecide)) {
      yield { origin: { file, row }, ...found };
    }
  }
}

/** Checks that a file can be opened and has a layout, without reading it through. */
export async function checkPreferenceFile(path: string, name: WantedLayout, toDecide: string): Promise<void> {
  const columns = await columnsOf(path);
  if (columns !== undefined) layoutOf(path, columns, preferenceLayouts, { name, toDecide });
}

interface NumberedRow {
  readonly row: number;
  readonly value: Row;
}

type Found = { readonly row: number } & (
  | { readonly kind: 'preference'; readonly preference: Preference }
  | (NoPreference & { readonly detail?: string })
);

async function* readFile(path: string, name: WantedLayout, toDecide: string): AsyncGenerator<Found> {
  const columns = await columnsOf(path);
  // Nothing but lines that are no objects: there is no layout to read them by.
  const layout =
    columns === undefined ? undefined : layoutOf(path, columns, preferenceLayouts, { name, toDecide });
  const options = layout && { columns: [...layout.needed, ...(columns?.includes(SUBSET) ? [SUBSET] : [])] };
  let waiting: NumberedRow | undefined;
  for await (const { row, value, problem } of readRows(path, options)) {
    const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
    if (problem !== undefined) yield { row, kind: 'failed', reason: 'not JSON', detail: problem };
    else if (!isObject || layout === undefined) yield { row, kind: 'failed', reason: 'not an object' };
    else if (layout.belongTogether === undefined) yield readRow(layout, { row, value: value as Row });
    else if (waiting === undefined) waiting = { row, value: value as Row };
    else if (layout.belongTogether(waiting.value, value as Row)) {
      yield readRow(layout, waiting, value as Row);
      waiting = undefined;
    } else {
      yield alone(waiting);
      waiting = { row, value: value as Row };
    }
  }
  if (waiting !== undefined) yield alone(waiting);
}

function alone({ row }: NumberedRow): Found {
  return { row, kind: 'failed', reason: 'no second response to its prompt follows' };
}

function readRow(layout: PreferenceLayout, { row, value }: NumberedRow, second?: Row): Found {
  const read = layout.read(value, second);
  if ('reason' in read) return { row, ...read };
  const id = hashOf(keyOf(read), ...[read.chosen, read.rejected].sort());
  const { [SUBSET]: subset } = value;
  const named = typeof subset === 'string' && subset !== '' ? { subset } : {};
  return { row, kind: 'preference', preference: { id, ...read, ...named } };
}
