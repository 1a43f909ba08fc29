import { readLines } from '../../datasets/rows/read-rows.ts';
import { ORDERS, type Order } from '../../method/examples.ts';
import { GENERATED } from '../../method/mix-sources.ts';
import type { TrainingRecord, TrainingRows } from '../../models/training/recipes/recipe.ts';
import type { ChatMessage } from '../../method/prompt-template.ts';
import type { ReasoningMarks } from '../../method/reasoning.ts';
import { parseVerdict, type Side, type Verdict } from '../../method/verdict.ts';

/** The columns of a row besides the messages. TRL ignores columns that it doesn't know. */
interface RowFacts {
  readonly id: string;
  readonly pair_id: string;
  /** The order in which the judge saw the pair. */
  readonly order: Order;
  /** The side of the better response. */
  readonly better_side: Side;
  /** `generated`, `given`, or the name of the pair's human data. */
  readonly source: string;
  /** The category of the instruction; null if it is unknown. */
  readonly category: string | null;
}

/** An exported row: its facts, `prompt`, and for each column of the recipe the messages and their verdict. */
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
  const { pairId, order } = pairAndOrder(id);
  const columns = format.columns.map(({ name, verdict }) => {
    const messages = messagesIn(record, name);
    return { [name]: messages, [verdict.name]: verdictOf(messages, marks) };
  });
  return Object.assign(
    {
      id,
      pair_id: pairId,
      order,
      better_side: order === 'better-first' ? ('A' as const) : ('B' as const),
      source: sources.get(pairId) ?? GENERATED,
      category: categories.get(pairId) ?? null,
      prompt,
    },
    ...columns,
  ) as TrainingRow;
}

/** The messages in a column of a record. */
function messagesIn(record: object, column: string): Messages {
  return (record as Readonly<Record<string, Messages>>)[column] ?? [];
}

function verdictOf(messages: Messages, marks: readonly ReasoningMarks[]): Verdict {
  return parseVerdict(messages.at(-1)?.content ?? '', marks);
}

/** A training example's id is `<pair>/<order>/<number>`. */
function pairAndOrder(id: string): { pairId: string; order: Order } {
  const [, pairId, order] = /^(.*)\/([^/]+)\/[^/]+$/.exec(id) ?? [];
  const knownOrder = ORDERS.find((name) => name === order);
  if (pairId === undefined || knownOrder === undefined)
    throw new Error(`${id} is not the id of a training example: <pair>/<order>/<number>`);
  return { pairId, order: knownOrder };
}
