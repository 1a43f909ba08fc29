import type { Side } from './verdict.ts';

/** The two orders in which a response pair is shown to a judge. Each is an example of its own (method, step 4). */
export const ORDERS = ['better-first', 'worse-first'] as const;
export type Order = (typeof ORDERS)[number];

/** A response pair whose better side is known by construction, not by a label (method, step 2); a given one by its label. */
export interface ResponsePair {
  readonly id: string;
  readonly instruction: string;
  /** y_w: a response to the instruction itself. */
  readonly better: string;
  /** y_l: a good response to a similar instruction x', hence the worse one here. */
  readonly worse: string;
  /** `given`, or the file of human preferences that it comes from; undefined for one that the run has generated. */
  readonly source?: string;
  /** Of a given pair, where its file has such a column. */
  readonly subset?: string;
}

/** A response pair in one order, as the judge sees it. */
export interface JudgeExample {
  readonly id: string;
  readonly order: Order;
  readonly instruction: string;
  readonly responseA: string;
  readonly responseB: string;
  /** The side that the construction makes the better one. */
  readonly betterSide: Side;
}

/** The example that shows `pair` in `order`. */
export function judgeExample(pair: ResponsePair, order: Order): JudgeExample {
  const betterFirst = order === 'better-first';
  return {
    id: exampleId(pair.id, order),
    order,
    instruction: pair.instruction,
    responseA: betterFirst ? pair.better : pair.worse,
    responseB: betterFirst ? pair.worse : pair.better,
    betterSide: betterFirst ? 'A' : 'B',
  };
}

/** What a judge's prompt may hold of an example: never which side is the better one. */
export function shownToJudge({ instruction, responseA, responseB }: JudgeExample) {
  return { instruction, responseA, responseB };
}

/** The id of a pair's example in one order. */
export function exampleId(pairId: string, order: Order): string {
  return `${pairId}/${order}`;
}
