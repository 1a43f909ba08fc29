import { ORDERS, type Order } from './examples.ts';
import { isRight, type SampledJudgment } from './rejection-sampling.ts';
import type { Side } from './verdict.ts';

/**
 * When a judgment counts as right.
 *
 * `single-order` (Self-Taught Evaluators): it agrees with the construction and came to its end.
 *
 * `both-orders`: so does the sample of the same number in the other order. A judge that always says A is right by luck
 * in one of the two orders; here it is right in neither.
 */
export type Rightness = 'single-order' | 'both-orders';

/** One of the samples that a judge gave of an example. */
export interface NumberedJudgment extends SampledJudgment {
  readonly order: Order;
  readonly sample: number;
}

/** The judgments of one example that count as right, and those that count as wrong. */
export interface JudgedRightOrWrong<J> {
  readonly right: readonly J[];
  readonly wrong: readonly J[];
}

/**
 * Sorts a pair's judgments of both orders. Wrong is what reaches the worse side, a tie or no verdict: a negative for
 * DPO. What reaches the better side without counting as right (cut off, or under `both-orders` without its counterpart)
 * is neither: it did not err, so nothing should teach the judge to avoid it.
 * @returns by order
 */
export function judgedRightOrWrong<J extends NumberedJudgment>(
  judgments: readonly J[],
  betterSide: Readonly<Record<Order, Side>>,
  rightness: Rightness,
): Record<Order, JudgedRightOrWrong<J>> {
  const agreeing = judgments.filter((judgment) => isRight(judgment, betterSide[judgment.order]));
  const samplesOf = (order: Order) =>
    new Set(agreeing.filter((judgment) => judgment.order === order).map(({ sample }) => sample));
  const agreeingSamples = ORDERS.map(samplesOf);
  const counts = ({ sample }: J) =>
    rightness === 'single-order' || agreeingSamples.every((samples) => samples.has(sample));
  const ofOrder = (order: Order): JudgedRightOrWrong<J> => ({
    right: agreeing.filter((judgment) => judgment.order === order && counts(judgment)),
    wrong: judgments.filter((judgment) => judgment.order === order && judgment.verdict !== betterSide[order]),
  });
  return { 'better-first': ofOrder('better-first'), 'worse-first': ofOrder('worse-first') };
}
