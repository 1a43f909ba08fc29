import { columnsOf, layoutOf } from '../benchmarks/file-columns.ts';
import { readRows } from '../benchmarks/read-rows.ts';
import type { NoInstruction, PoolLayout, PoolRow } from './layout.ts';
import type { LayoutName } from './layout-names.ts';
import { poolLayouts } from './layouts.ts';

/** A row of a pool file, counted from 0. */
export interface NumberedRow {
  readonly row: number;
  readonly read: PoolRow | (NoInstruction & { readonly detail?: string });
}

/**
 * Streams the instructions of a file by its layout; only the layout's columns are read.
 * @throws UnreadableFileError for a file that can't be read, or whose columns don't fit; names the absolute path
 */
export async function* readPoolFile(
  file: string,
  layoutName: LayoutName | 'auto',
): AsyncGenerator<NumberedRow> {
  const columns = await columnsOf(file);
  if (columns === undefined) {
    // Nothing but lines that are no objects: there is no layout to read them by.
    for await (const { row, problem } of readRows(file)) yield { row, read: notAnObject(problem) };
    return;
  }
  const layout = layoutIn(file, layoutName, columns);
  const wanted = [...layout.needed, ...layout.optional.filter((column) => columns.includes(column))];
  for await (const { row, value, problem } of readRows(file, { columns: wanted })) {
    const usable =
      problem === undefined && typeof value === 'object' && value !== null && !Array.isArray(value);
    yield { row, read: usable ? read(layout, value as Record<string, unknown>) : notAnObject(problem) };
  }
}

/** Checks that a file can be opened and has a layout, without reading it through. */
export async function checkPoolFile(file: string, layoutName: LayoutName | 'auto'): Promise<void> {
  const columns = await columnsOf(file);
  if (columns !== undefined) layoutIn(file, layoutName, columns);
}

function read(layout: PoolLayout, row: Record<string, unknown>): NumberedRow['read'] {
  const found = layout.read(row);
  if ('reason' in found || found.instruction.trim() !== '') return found;
  return { kind: 'dropped', reason: 'empty instruction' };
}

function notAnObject(problem: string | undefined): NumberedRow['read'] {
  return problem === undefined
    ? { kind: 'failed', reason: 'not an object' }
    : { kind: 'failed', reason: 'not JSON', detail: problem };
}

function layoutIn(file: string, name: LayoutName | 'auto', columns: readonly string[]): PoolLayout {
  return layoutOf(file, columns, poolLayouts, { name, toDecide: 'name one of them in instructions.layout' });
}
