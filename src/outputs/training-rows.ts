import { readLines } from '../benchmarks/read-rows.ts';
import { ORDERS, type Order } from '../judge/examples.ts';
import { GENERATED } from '../judge/mix-sources.ts';
import type { Message } from '../judge/prompt-template.ts';
import { parseVerdict, type Side, type Verdict } from '../judge/verdict.ts';

/** How TRL calls the two kinds of training set (its documentation, "Dataset formats"): for SFT, and for DPO. */
export const LAYOUTS = ['prompt-completion', 'preference'] as const;
export type Layout = (typeof LAYOUTS)[number];

/** What is known of a row beside what trains; TRL passes over columns that it doesn't know. */
interface RowFacts {
  readonly id: string;
  readonly pair_id: string;
  /** In which order the pair is shown. */
  readonly order: Order;
  /** The side that the construction, or a person, makes the better one. */
  readonly better_side: Side;
  /** Of the judgment that is taught: with the target `majority-vote` it may be another side. */
  readonly verdict: Verdict;
  /** `generated`, or the name of the human data that the pair comes from. */
  readonly source: string;
  /** Of the instruction; null where no LLM was asked. */
  readonly category: string | null;
}

export type TrainingRow = RowFacts &
  (
    | { readonly prompt: readonly Message[]; readonly completion: readonly Message[] }
    | {
        readonly prompt: readonly Message[];
        readonly chosen: readonly Message[];
        readonly rejected: readonly Message[];
        readonly rejected_verdict: Verdict;
      }
  );

/** Where pairs come from that the run has not generated, and what instructions are about, by the pair's id. */
export interface PairFacts {
  readonly sources: ReadonlyMap<string, string>;
  readonly categories: ReadonlyMap<string, string>;
}

/** A record of a training set, as filtering has made it. */
type TrainingRecord = { readonly id: string; readonly prompt: readonly Message[] } & (
  | { readonly completion: readonly Message[] }
  | { readonly chosen: readonly Message[]; readonly rejected: readonly Message[] }
);

/** The rows of a training set's file, one in memory at a time. */
export async function* trainingRows(recordsFile: string, facts: PairFacts): AsyncGenerator<TrainingRow> {
  for await (const line of readLines(recordsFile)) yield rowOf(JSON.parse(line) as TrainingRecord, facts);
}

function rowOf(record: TrainingRecord, { sources, categories }: PairFacts): TrainingRow {
  const { id, prompt } = record;
  const { pairId, order } = pairAndOrder(id);
  const shared = {
    id,
    pair_id: pairId,
    order,
    better_side: order === 'better-first' ? ('A' as const) : ('B' as const),
    source: sources.get(pairId) ?? GENERATED,
    category: categories.get(pairId) ?? null,
    prompt,
  };
  if ('completion' in record)
    return { ...shared, completion: record.completion, verdict: verdictOf(record.completion) };
  const { chosen, rejected } = record;
  return {
    ...shared,
    chosen,
    rejected,
    verdict: verdictOf(chosen),
    rejected_verdict: verdictOf(rejected),
  };
}

function verdictOf(messages: readonly Message[]): Verdict {
  return parseVerdict(messages.at(-1)?.content ?? '');
}

/** A training example's id is `<pair>/<order>/<number>`. */
function pairAndOrder(id: string): { pairId: string; order: Order } {
  const [, pairId, order] = /^(.*)\/([^/]+)\/[^/]+$/.exec(id) ?? [];
  const known = ORDERS.find((one) => one === order);
  if (pairId === undefined || known === undefined)
    throw new Error(`${id} is no id of a training example: <pair>/<order>/<number>`);
  return { pairId, order: known };
}
