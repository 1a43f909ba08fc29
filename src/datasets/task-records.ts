/** Reads the records of tasks beyond pairs (src/method/tasks.ts) from the rows of a file. */
import { userRequestOf } from '../method/conversation.ts';
import { MAX_RANKED, SCORE_RANGE, type TaskLabel, type TaskName, type TaskRecord } from '../method/tasks.ts';
import { isObject } from '../platform/is-object.ts';
import { type DataRow, readResponse, readTurns } from './preference-formats/preference-format.ts';

/** A record, with what is known of its verdict. */
export interface LabelledRecord extends TaskRecord {
  readonly subset?: string | undefined;
  /** Missing if the row has none. */
  readonly label?: TaskLabel | undefined;
}

/** The field of a task's label. */
export const LABEL_FIELDS = { score: 'score', rank: 'best', verify: 'correct' } as const satisfies Record<
  TaskName,
  string
>;

/**
 * The task that the fields of a row belong to: `pair` for all that have no single response and no list of them. Undefined if
 * a response has no field that says what to judge, or several that contradict each other.
 */
export function taskOfRow(value: unknown): TaskName | 'pair' | undefined {
  if (!isObject(value)) return 'pair';
  const has = (field: string) => (value[field] ?? null) !== null;
  if (has('responses')) return 'rank';
  if (!has('response') || has('chosen') || has('responseA')) return 'pair';
  const isScored = has('score') || has('rubric');
  if (isScored === has('correct')) return undefined;
  return isScored ? 'score' : 'verify';
}

/**
 * The record of a row, or the reason why the row is unusable. A row has `instruction` or `prompt`, as a text or as messages;
 * `response`, or `responses` to choose the best of; perhaps `reference` and `rubric`; and the field of the label: `score`
 * (1 to 10), `best` (the number of a response, from 0) or `correct` (true or false).
 */
export function readTaskRecord(task: TaskName, value: unknown): LabelledRecord | string {
  if (!isObject(value)) return 'it is not an object';
  // Rows of a Parquet file have every column, so missing values are null.
  const row: DataRow = Object.fromEntries(Object.entries(value).filter(([, found]) => found !== null));
  const field = 'instruction' in row ? 'instruction' : 'prompt';
  if (!(field in row)) return 'no field "instruction" or "prompt"';
  const turns = readTurns(row, field);
  if ('reason' in turns) return turns.reason;
  if (turns.at(-1)?.role !== 'user') return `"${field}" does not end with a user message`;
  const { instruction } = userRequestOf(turns);
  if (instruction.trim() === '') return `"${field}" is empty`;
  const responses = task === 'rank' ? readResponses(row) : readOne(row);
  if (typeof responses === 'string') return responses;
  for (const name of ['reference', 'rubric', 'subset'])
    if (name in row && (typeof row[name] !== 'string' || row[name].trim() === ''))
      return `"${name}" is ${row[name] === '' ? 'empty' : 'no text'}; it may be omitted`;
  const label = readLabel(task, row, responses.length);
  if (typeof label === 'object') return label.problem;
  return {
    instruction,
    responses,
    ...textsOf(row, ['reference', 'rubric', 'subset']),
    ...(label === undefined ? {} : { label }),
  };
}

function readOne(row: DataRow): string[] | string {
  const read = readResponse(row, 'response');
  return 'reason' in read ? read.reason : [read.response];
}

function readResponses(row: DataRow): string[] | string {
  const found = row['responses'];
  if (!Array.isArray(found)) return 'no field "responses" with a list of responses';
  if (found.length < 2 || found.length > MAX_RANKED)
    return `"responses" has ${found.length} of them, but must have 2 to ${MAX_RANKED}`;
  const responses: string[] = [];
  for (const response of found as unknown[]) {
    const read = readResponse({ response }, 'response');
    if ('reason' in read) return `"responses", number ${responses.length}: ${read.reason}`;
    responses.push(read.response);
  }
  return responses;
}

/** The label as a verdict of the task: undefined if there is none. */
function readLabel(
  task: TaskName,
  row: DataRow,
  responses: number,
): TaskLabel | undefined | { readonly problem: string } {
  const field = LABEL_FIELDS[task];
  const found = row[field];
  if (found === undefined) return undefined;
  const problem = (expected: string) => ({
    problem: `"${field}" is ${JSON.stringify(found)}, but must be ${expected}`,
  });
  if (task === 'verify')
    return typeof found === 'boolean' ? (found ? 'correct' : 'incorrect') : problem('true or false');
  const number = typeof found === 'bigint' ? Number(found) : found;
  if (task === 'rank')
    return typeof number === 'number' && Number.isInteger(number) && number >= 0 && number < responses
      ? number
      : problem(`the number of a response, from 0 to ${responses - 1}`);
  const { lowest, highest } = SCORE_RANGE;
  return typeof number === 'number' && number >= lowest && number <= highest
    ? number
    : problem(`a number from ${lowest} to ${highest}`);
}

function textsOf<Name extends string>(row: DataRow, names: readonly Name[]): { [name in Name]?: string } {
  return Object.fromEntries(names.filter((name) => name in row).map((name) => [name, row[name]])) as {
    [name in Name]?: string;
  };
}
