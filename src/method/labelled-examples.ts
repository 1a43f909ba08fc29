import type { Order } from './examples.ts';
import {
  splitByCorrectness,
  type Correctness,
  type JudgmentsByCorrectness,
  type NumberedJudgment,
} from './correctness.ts';
import type { Side } from './verdict.ts';
import type { JudgedExample } from './select-judgments.ts';

/** An example with its judgments, and which of them count as correct and as incorrect. */
export type LabelledExample<J extends NumberedJudgment> = JudgedExample<J> & JudgmentsByCorrectness<J>;

/** Labels the judgments of every example. The two orders of a pair must follow each other. */
export async function* labelCorrectness<J extends NumberedJudgment>(
  examples: AsyncIterable<JudgedExample<J>>,
  correctness: Correctness,
): AsyncGenerator<LabelledExample<J>> {
  let first: JudgedExample<J> | undefined;
  for await (const judged of examples) {
    if (first === undefined) {
      first = judged;
      continue;
    }
    const pair: readonly JudgedExample<J>[] = [first, judged];
    const betterSide = Object.fromEntries(
      pair.map(({ example }) => [example.order, example.betterSide]),
    ) as Record<Order, Side>;
    const labelled = splitByCorrectness(
      pair.flatMap(({ judgments }) => judgments),
      betterSide,
      correctness,
    );
    for (const order of pair) yield { ...order, ...labelled[order.example.order] };
    first = undefined;
  }
}
