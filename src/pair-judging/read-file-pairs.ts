/** Reads the pairs of responses in the rows of a file. */
import { readRows } from '../datasets/rows/read-rows.ts';
import type { ComparisonPair } from '../method/pair-comparison.ts';
import { stableHash } from '../platform/stable-hash.ts';
import type { Verdict } from '../method/verdict.ts';
import { failedRow, type UnusableRow } from '../datasets/rows/unusable-row.ts';
import {
  buildPreference,
  type PreferenceTexts,
  type DataRow,
  readResponse,
  readTurns,
} from '../datasets/preference-formats/preference-format.ts';
import { implicitPromptFormat } from '../datasets/preference-formats/implicit-prompt.ts';
import { preferenceFormat } from '../datasets/preference-formats/preference.ts';
import { shareGptPreferenceFormat } from '../datasets/preference-formats/sharegpt.ts';

/** The better response according to the row. */
export type PairLabel = Exclude<Verdict, 'none'>;

/** A pair of a file with its id and label. */
export interface FilePair extends ComparisonPair {
  /** The row's own `id`, or its number if it has none. */
  readonly id: string;
  readonly label?: PairLabel;
}

/** A row of a file, with its number from 0: its pair, or the reason why it is unusable. */
export type PairRow =
  | { readonly row: number; readonly pair: FilePair; readonly problem?: undefined }
  | { readonly row: number; readonly pair?: undefined; readonly problem: string };

/**
 * Streams the pairs of a JSONL, JSON or Parquet file in the order of its rows. A row has an instruction (`instruction`,
 * `prompt`, or beside two responses `messages`, `conversations` or `conversation`: a text, or messages that end with the
 * user's) and its responses (a text, or messages that end with the
 * assistant's):
 *
 * - `responseA` and `responseB`, optionally with `label` or `betterSide` (`A`, `B` or `tie`);
 * - `chosen` and `rejected`, in the row formats `preference`, `implicit-prompt` and `sharegpt` (src/datasets/preference-formats).
 *   A hash of the row determines which of them is A, so that a judge that prefers a position has no advantage.
 *
 * @throws UnreadableFile that names the file
 */
export async function* readFilePairs(file: string): AsyncGenerator<PairRow> {
  for await (const { row, value, problem } of readRows(file)) {
    const read = problem ?? pairOf(value, row);
    yield typeof read === 'string' ? { row, problem: read } : { row, pair: read };
  }
}

/** Returns the pair of a row, or the reason why it is unusable. */
function pairOf(value: unknown, row: number): FilePair | string {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return 'it is not an object';
  // Rows of a Parquet file have every column, so missing values are null.
  const columns = Object.fromEntries(Object.entries(value).filter(([, found]) => found !== null));
  const isPreference = 'chosen' in columns || 'rejected' in columns;
  const field = fieldsOf(isPreference).find((name) => name in columns) ?? 'prompt';
  const named: DataRow = { ...columns, ...(field in columns ? { prompt: columns[field] } : {}) };
  const read = isPreference ? fromPreference(named) : fromResponses(named);
  if (typeof read === 'string') return read.replace('"prompt"', `"${field}"`);
  const { id } = columns;
  return { id: typeof id === 'string' || typeof id === 'number' ? String(id) : String(row), ...read };
}

/** The fields that may hold the instruction. Beside `chosen`, messages may be the whole conversation with the answer. */
function fieldsOf(isPreference: boolean): readonly string[] {
  return ['instruction', 'prompt', ...(isPreference ? [] : ['messages', 'conversations', 'conversation'])];
}

function fromResponses(row: DataRow): Omit<FilePair, 'id'> | string {
  if (!('prompt' in row)) return 'no field "instruction" or "prompt"';
  const [a, b] = [readResponse(row, 'responseA'), readResponse(row, 'responseB')];
  const read = requireNonEmpty(buildPreference(readTurns(row, 'prompt'), a, b, 'prompt'), [
    'responseA',
    'responseB',
  ]);
  if ('reason' in read) return read.reason;
  const pair = { instruction: read.instruction, a: read.chosen, b: read.rejected };
  const label = row['label'] ?? row['betterSide'];
  if (label === undefined) return pair;
  if (label !== 'A' && label !== 'B' && label !== 'tie')
    return `label (or betterSide) is ${JSON.stringify(label)}, but must be "A", "B" or "tie"; it may be omitted`;
  return { ...pair, label: label };
}

function fromPreference(row: DataRow): Omit<FilePair, 'id'> | string {
  const layout =
    'prompt' in row
      ? preferenceFormat
      : 'conversations' in row
        ? shareGptPreferenceFormat
        : implicitPromptFormat;
  const read = requireNonEmpty(layout.read(row), ['chosen', 'rejected']);
  if ('reason' in read) return read.reason;
  const { instruction, chosen, rejected } = read;
  const chosenIsA = stableHash('place', instruction, chosen, rejected) < '8';
  return chosenIsA
    ? { instruction, a: chosen, b: rejected, label: 'A' }
    : { instruction, a: rejected, b: chosen, label: 'B' };
}

/** @param responses the fields that contain the responses */
function requireNonEmpty(
  read: PreferenceTexts | UnusableRow,
  responses: [string, string],
): PreferenceTexts | UnusableRow {
  if ('reason' in read) return read;
  const texts = [read.instruction, read.chosen, read.rejected];
  const empty = texts.findIndex((text) => text.trim() === '');
  return empty < 0 ? read : failedRow(`"${['prompt', ...responses][empty]}" is empty`);
}
