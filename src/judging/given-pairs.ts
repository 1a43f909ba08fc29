/** Pairs that are given to a judge: the rows of a file, whatever made their responses. */
import { readRows } from '../benchmarks/read-rows.ts';
import type { GivenPair } from '../judge/comparison.ts';
import { conversationText, messagesOf, type Turn } from '../judge/conversation.ts';
import { hashOf } from '../judge/seeds.ts';
import type { Verdict } from '../judge/verdict.ts';

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
 * `prompt`: a text, or messages) and its responses (a text, or messages of which the last is the response):
 *
 * - `responseA` and `responseB`, perhaps with `label` or `betterSide` (`A`, `B` or `tie`);
 * - `chosen` and `rejected`. Which of them is A follows from a hash of the row, so that a judge that prefers a place gains
 *   nothing by it. Without an instruction both are conversations that begin with it.
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
  const columns = value as Record<string, unknown>;
  const isPreference = columns['chosen'] !== undefined || columns['rejected'] !== undefined;
  const read = isPreference ? fromPreference(columns) : fromResponses(columns);
  if (typeof read === 'string') return read;
  const { id } = columns;
  return { id: typeof id === 'string' || typeof id === 'number' ? String(id) : String(row), ...read };
}

function fromResponses(columns: Record<string, unknown>): Omit<FilePair, 'id'> | string {
  const instruction = instructionOf(columns, undefined);
  if (instruction === undefined) return missing('instruction', columns['instruction'] ?? columns['prompt']);
  const [a, b] = [responseOf(columns['responseA']), responseOf(columns['responseB'])];
  if (a === undefined) return missing('responseA', columns['responseA']);
  if (b === undefined) return missing('responseB', columns['responseB']);
  const label = columns['label'] ?? columns['betterSide'] ?? null;
  if (label === null) return { instruction, a, b };
  if (label !== 'A' && label !== 'B' && label !== 'tie')
    return `label (or betterSide) is ${shortJson(label)}, and must be "A", "B" or "tie"; it may be left out`;
  return { instruction, a, b, better: label };
}

function fromPreference(columns: Record<string, unknown>): Omit<FilePair, 'id'> | string {
  const { chosen, rejected } = columns;
  const [better, worse] = [responseOf(chosen), responseOf(rejected)];
  if (better === undefined) return missing('chosen', chosen);
  if (worse === undefined) return missing('rejected', rejected);
  const instruction = instructionOf(columns, chosen);
  if (instruction === undefined) return missing('instruction', columns['instruction'] ?? columns['prompt']);
  const chosenIsA = hashOf('place', instruction, better, worse) < '8';
  return chosenIsA
    ? { instruction, a: better, b: worse, better: 'A' }
    : { instruction, a: worse, b: better, better: 'B' };
}

/** @param chosen a conversation that begins with the instruction, where the row has none by itself */
function instructionOf(columns: Record<string, unknown>, chosen: unknown): string | undefined {
  const given = columns['instruction'] ?? columns['prompt'];
  if (typeof given === 'string') return given.trim() === '' ? undefined : given;
  const turns = turnsOf(given ?? undefined) ?? turnsOf(chosen)?.slice(0, -1);
  return turns === undefined || turns.length === 0 ? undefined : conversationText(turns);
}

function responseOf(value: unknown): string | undefined {
  const text = typeof value === 'string' ? value : turnsOf(value)?.at(-1)?.content;
  return text === undefined || text.trim() === '' ? undefined : text;
}

function turnsOf(value: unknown): Turn[] | undefined {
  const messages = messagesOf(value, '');
  return 'reason' in messages ? undefined : messages;
}

function missing(column: string, found: unknown): string {
  const name = column === 'instruction' ? 'instruction (or prompt)' : column;
  if (found === undefined || found === null) return `${name} is missing`;
  if (typeof found === 'string') return `${name} is empty`;
  return `${name} is ${shortJson(found)}, and must be a text or messages with role and content`;
}

function shortJson(value: unknown): string {
  const json = JSON.stringify(value);
  return json.length > 60 ? `${json.slice(0, 57)}...` : json;
}
