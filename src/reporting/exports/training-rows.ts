import { readLines } from '../../datasets/rows/read-rows.ts';
import { ORDERS } from '../../method/examples.ts';
import { GENERATED } from '../../method/mix-sources.ts';
import type { TrainingRecord, TrainingRows } from '../../models/training/recipes/recipe.ts';
import type { ChatMessage } from '../../method/prompt-template.ts';
import type { ReasoningMarks } from '../../method/reasoning.ts';
import { MAX_RANKED, parseTaskVerdict, TASK_NAMES, type TaskName } from '../../method/tasks.ts';
import { parseVerdict, type Side } from '../../method/verdict.ts';

/** The columns of a row besides the messages. TRL ignores columns that it doesn't know. */
interface RowFacts {
  readonly id: string;
  /** The id of the pair, or of the record of another task. */
  readonly pair_id: string;
  /** The order in which the judge saw the pair, or the responses of the record: `turn-<number>`. */
  readonly order: string;
  /** The side of the better response; null for a record of another task. */
  readonly better_side: Side | null;
  /** `generated`, `provided`, the name of the pair's human data, or the task of a record. */
  readonly source: string;
  /** The category of the instruction; null if it is unknown. */
  readonly category: string | null;
}

/** An exported row: its facts, those of the recipe, `prompt`, and for each column of the recipe the messages and their verdict. */
export type TrainingRow = RowFacts & { readonly prompt: Messages } & Readonly<
    Record<string, Messages | string | null>
  >;

type Messages = readonly ChatMessage[];

/** The sources of pairs that the run didn't generate, and the categories of instructions, by the pair's id. */
export interface PairMetadata {
  readonly sources: ReadonlyMap<string, string>;
  readonly categories: ReadonlyMap<string, string>;
}

/** The rows of a training set's file, one in memory at a time. */
export async function* trainingRows(
  recordsFile: string,
  format: TrainingRows,
  metadata: PairMetadata,
  marks: readonly ReasoningMarks[],
): AsyncGenerator<TrainingRow> {
  for await (const line of readLines(recordsFile))
    yield rowOf(JSON.parse(line) as TrainingRecord, format, metadata, marks);
}

function rowOf(
  record: TrainingRecord,
  format: TrainingRows,
  { sources, categories }: PairMetadata,
  marks: readonly ReasoningMarks[],
): TrainingRow {
  const { id, prompt } = record;
  const { pairId, order, task } = exampleOf(id);
  const columns = format.columns.map(({ name, verdict }) => {
    const messages = messagesIn(record, name);
    return { [name]: messages, [verdict.name]: verdictOf(messages, task, marks) };
  });
  const facts = (format.facts ?? []).map(({ name }) => ({ [name]: factIn(record, name) }));
  return Object.assign(
    {
      id,
      pair_id: pairId,
      order,
      better_side: task !== undefined ? null : order === 'better-first' ? ('A' as const) : ('B' as const),
      source: task ?? sources.get(pairId) ?? GENERATED,
      category: categories.get(pairId) ?? null,
      prompt,
    },
    ...columns,
    ...facts,
  ) as TrainingRow;
}

/** The messages in a column of a record. */
function messagesIn(record: object, column: string): Messages {
  return (record as Readonly<Record<string, Messages>>)[column] ?? [];
}

/** A text in a field of a record. */
function factIn(record: object, field: string): string | null {
  return (record as Readonly<Record<string, string>>)[field] ?? null;
}

function verdictOf(messages: Messages, task: TaskName | undefined, marks: readonly ReasoningMarks[]): string {
  const text = messages.at(-1)?.content ?? '';
  if (task === undefined) return parseVerdict(text, marks);
  return parseTaskVerdict(task, text, MAX_RANKED, marks) ?? 'none';
}

/** A training example's id is `<pair>/<order>/<number>`, or `<task>-<hash>/turn-<number>/<number>`. */
function exampleOf(id: string): { pairId: string; order: string; task?: TaskName | undefined } {
  const [, pairId, order] = /^(.*)\/([^/]+)\/[^/]+$/.exec(id) ?? [];
  const task = TASK_NAMES.find((name) => pairId?.startsWith(`${name}-`));
  if (pairId !== undefined && order !== undefined) {
    if (ORDERS.some((name) => name === order)) return { pairId, order };
    if (task !== undefined && order.startsWith('turn-')) return { pairId, order, task };
  }
  throw new Error(`${id} is not the id of a training example: <pair>/<order>/<number>`);
}
