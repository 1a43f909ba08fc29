import type { Side } from './verdict.ts';

/** The two orders in which a judge sees a response pair. Each order is an example of its own (method, step 4). */
export const ORDERS = ['better-first', 'worse-first'] as const;
export type Order = (typeof ORDERS)[number];

/** A response pair whose better response is known: by construction (method, step 2), or by a label if the pair comes from a file. */
export interface ResponsePair {
  readonly id: string;
  readonly instruction: string;
  /** y_w: a response to the instruction itself. */
  readonly better: string;
  /** y_l: a good response to a similar instruction x', and therefore the worse response to this one. */
  readonly worse: string;
  /** `provided`, or the file of human preferences that it comes from; undefined for one that the run has generated. */
  readonly source?: string;
  /** The value of the file's column `subset`, for a pair from a file. */
  readonly subset?: string;
}

/** A response pair in one order, which is what the judge sees. */
export interface JudgeExample {
  readonly id: string;
  readonly order: Order;
  readonly instruction: string;
  readonly responseA: string;
  readonly responseB: string;
  /** The side of the better response. */
  readonly betterSide: Side;
}

/** Makes the example of a pair in one order. */
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

/** The values of an example for a judge's prompt. They never say which side is better. */
export function judgePromptValues({ instruction, responseA, responseB }: JudgeExample) {
  return { instruction, responseA, responseB };
}

/** The id of a pair's example in one order. */
export function exampleId(pairId: string, order: Order): string {
  return `${pairId}/${order}`;
}
