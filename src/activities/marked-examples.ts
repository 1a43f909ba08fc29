import type { JudgeExample, Order } from '../judge/examples.ts';
import { judgedRightOrWrong, type JudgedRightOrWrong, type Rightness } from '../judge/rightness.ts';
import type { Side } from '../judge/verdict.ts';
import type { Judgment } from './judge-pairs.ts';

export interface JudgedExample {
  readonly example: JudgeExample;
  readonly judgments: readonly Judgment[];
}

/** An example with its judgments, and which of them count as right and as wrong. */
export type MarkedExample = JudgedExample & JudgedRightOrWrong<Judgment>;

/** Marks the judgments of every example. Both orders of a pair must follow each other, as `judgedExamples` gives them. */
export async function* markedExamples(
  examples: AsyncIterable<JudgedExample>,
  rightness: Rightness,
): AsyncGenerator<MarkedExample> {
  let first: JudgedExample | undefined;
  for await (const judged of examples) {
    if (first === undefined) {
      first = judged;
      continue;
    }
    const pair: readonly JudgedExample[] = [first, judged];
    const betterSide = Object.fromEntries(
      pair.map(({ example }) => [example.order, example.betterSide]),
    ) as Record<Order, Side>;
    const marked = judgedRightOrWrong(
      pair.flatMap(({ judgments }) => judgments),
      betterSide,
      rightness,
    );
    for (const one of pair) yield { ...one, ...marked[one.example.order] };
    first = undefined;
  }
}
