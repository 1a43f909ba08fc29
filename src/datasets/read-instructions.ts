import { columnsOf, detectRowFormat } from './rows/file-columns.ts';
import { readRows } from './rows/read-rows.ts';
import { droppedRow, failedRow, type UnusableRow } from './rows/unusable-row.ts';
import type { InstructionFormat, InstructionRow } from './instruction-formats/instruction-format.ts';
import { instructionFormats, type InstructionFormatName } from './instruction-formats/registry.ts';
import { isObject } from '../platform/is-object.ts';

/** The result of reading a row, with the row's number from 0. */
export interface NumberedInstructionRow {
  readonly row: number;
  readonly result: InstructionRow | (UnusableRow & { readonly detail?: string });
}

/**
 * Streams the instructions of a file. Only the columns of its format are read.
 * @throws UnreadableFile with the absolute path if the file can't be read or its columns don't fit
 */
export async function* readInstructions(
  file: string,
  formatName: InstructionFormatName | 'auto',
): AsyncGenerator<NumberedInstructionRow> {
  const columns = await columnsOf(file);
  if (columns === undefined) {
    // No row is an object, so every row is unusable.
    for await (const { row, problem } of readRows(file)) yield { row, result: notAnObject(problem) };
    return;
  }
  const format = formatOf(file, formatName, columns);
  const columnsToRead = [
    ...format.requiredColumns,
    ...format.optionalColumns.filter((column) => columns.includes(column)),
  ];
  for await (const { row, value, problem } of readRows(file, { columns: columnsToRead })) {
    const isRow = problem === undefined && isObject(value);
    yield { row, result: isRow ? read(format, value) : notAnObject(problem) };
  }
}

/** Checks that a file can be opened and has a known format, without reading all of it. */
export async function checkInstructionFile(
  file: string,
  formatName: InstructionFormatName | 'auto',
): Promise<void> {
  const columns = await columnsOf(file);
  if (columns !== undefined) formatOf(file, formatName, columns);
}

function read(format: InstructionFormat, row: Record<string, unknown>): NumberedInstructionRow['result'] {
  const result = format.read(row);
  if ('reason' in result || result.instruction.trim() !== '') return result;
  return droppedRow('empty instruction');
}

function notAnObject(problem: string | undefined): NumberedInstructionRow['result'] {
  return problem === undefined ? failedRow('not an object') : { ...failedRow('not JSON'), detail: problem };
}

function formatOf(
  file: string,
  name: InstructionFormatName | 'auto',
  columns: readonly string[],
): InstructionFormat {
  return detectRowFormat(file, columns, instructionFormats, {
    name,
    toDecide: 'name one of them in instructions.format',
  });
}
