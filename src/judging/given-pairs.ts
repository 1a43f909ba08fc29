/** Pairs that are given to a judge: the rows of a file, whatever made their responses. */
import { readRows } from '../benchmarks/read-rows.ts';
import type { GivenPair } from '../judge/comparison.ts';
import { hashOf } from '../judge/seeds.ts';
import type { Verdict } from '../judge/verdict.ts';
import {
  failed,
  type NoPreference,
  preferredIn,
  type Preferred,
  type Row,
  saidIn,
  turnsIn,
} from '../preferences/layout.ts';
import { implicitPrompt } from '../preferences/layouts/implicit-prompt.ts';
import { preference } from '../preferences/layouts/preference.ts';

/** Which response is better, where the row says it. */
export type Better = Exclude<Verdict, 'none'>;

/** A pair of a file with what is known about it. */
export interface FilePair extends GivenPair {
  /** The row's own `id` where it has one, else its number. */
  readonly id: string;
  readonly better?: Better;
}

/** A row of a file, counted from 0: its pair, or what is wrong with it. */
export type PairRow =
  | { readonly row: number; readonly pair: FilePair; readonly problem?: undefined }
  | { readonly row: number; readonly pair?: undefined; readonly problem: string };

/**
 * Streams the pairs of a JSONL, JSON or Parquet file in the order of its rows. A row has an instruction (`instruction` or
 * `prompt`: a text, or messages that end with the user's) and its responses (a text, or messages that end with the assistant's):
 *
 * - `responseA` and `responseB`, perhaps with `label` or `betterSide` (`A`, `B` or `tie`);
 * - `chosen` and `rejected`, as the layouts `preference` and `implicit-prompt` have them (src/preferences). Which of them is A
 *   follows from a hash of the row, so that a judge that prefers a place gains nothing by it.
 *
 * @throws UnreadableFileError naming the file
 */
export async function* readGivenPairs(file: string): AsyncGenerator<PairRow> {
  for await (const { row, value, problem } of readRows(file)) {
    const read = problem ?? pairOf(value, row);
    yield typeof read === 'string' ? { row, problem: read } : { row, pair: read };
  }
}

/** The pair of a row, or what is wrong with it. */
function pairOf(value: unknown, row: number): FilePair | string {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return 'it is no object';
  // A Parquet file has every column in every row.
  const columns = Object.fromEntries(Object.entries(value).filter(([, found]) => found !== null));
  const field = 'instruction' in columns ? 'instruction' : 'prompt';
  const named: Row = { ...columns, ...(field in columns ? { prompt: columns[field] } : {}) };
  const isPreference = 'chosen' in named || 'rejected' in named;
  const read = isPreference ? fromPreference(named) : fromResponses(named);
  if (typeof read === 'string') return read.replace('"prompt"', `"${field}"`);
  const { id } = columns;
  return { id: typeof id === 'string' || typeof id === 'number' ? String(id) : String(row), ...read };
}

function fromResponses(row: Row): Omit<FilePair, 'id'> | string {
  if (!('prompt' in row)) return 'no field "instruction" or "prompt"';
  const [a, b] = [saidIn(row, 'responseA'), saidIn(row, 'responseB')];
  const read = wholeOf(preferredIn(turnsIn(row, 'prompt'), a, b, 'prompt'), ['responseA', 'responseB']);
  if ('reason' in read) return read.reason;
  const pair = { instruction: read.instruction, a: read.chosen, b: read.rejected };
  const label = row['label'] ?? row['betterSide'];
  if (label === undefined) return pair;
  if (label !== 'A' && label !== 'B' && label !== 'tie')
    return `label (or betterSide) is ${JSON.stringify(label)}, and must be "A", "B" or "tie"; it may be left out`;
  return { ...pair, better: label };
}

function fromPreference(row: Row): Omit<FilePair, 'id'> | string {
  const layout = 'prompt' in row ? preference : implicitPrompt;
  const read = wholeOf(layout.read(row), ['chosen', 'rejected']);
  if ('reason' in read) return read.reason;
  const { instruction, chosen, rejected } = read;
  const chosenIsA = hashOf('place', instruction, chosen, rejected) < '8';
  return chosenIsA
    ? { instruction, a: chosen, b: rejected, better: 'A' }
    : { instruction, a: rejected, b: chosen, better: 'B' };
}

/** @param responses the fields that the responses come from */
function wholeOf(read: Preferred | NoPreference, responses: [string, string]): Preferred | NoPreference {
  if ('reason' in read) return read;
  const texts = [read.instruction, read.chosen, read.rejected];
  const empty = texts.findIndex((text) => text.trim() === '');
  return empty < 0 ? read : failed(`"${['prompt', ...responses][empty]}" is empty`);
}
