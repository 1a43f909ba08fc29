import { ORDERS, type Order } from './examples.ts';
import { isCorrect, type SampledJudgment } from './rejection-sampling.ts';
import type { Side } from './verdict.ts';

/**
 * The rule by which a judgment counts as correct.
 *
 * `single-order` (Self-Taught Evaluators): it names the better response and ended by itself, not at the token limit.
 *
 * `both-orders`: the sample of the same number in the other order does so too. A judge that always answers A is correct
 * by luck in one of the two orders; by this rule it is correct in neither.
 */
export type Correctness = 'single-order' | 'both-orders';

/** One of several sampled judgments of an example. */
export interface NumberedJudgment extends SampledJudgment {
  readonly order: Order;
  readonly sample: number;
}

/** The judgments of one example that count as correct, and those that count as incorrect. */
export interface JudgmentsByCorrectness<J> {
  readonly correct: readonly J[];
  readonly incorrect: readonly J[];
}

/**
 * Splits a pair's judgments of both orders into correct and incorrect ones. A judgment is incorrect (a rejected one for
 * DPO) if its verdict is the worse side, a tie or missing. A judgment with the better side that doesn't count as correct
 * (truncated, or under `both-orders` without its counterpart) is neither: its verdict is not wrong, so training must not
 * push the judge away from it.
 */
export function splitByCorrectness<J extends NumberedJudgment>(
  judgments: readonly J[],
  betterSide: Readonly<Record<Order, Side>>,
  correctness: Correctness,
): Record<Order, JudgmentsByCorrectness<J>> {
  const agreeing = judgments.filter((judgment) => isCorrect(judgment, betterSide[judgment.order]));
  const samplesOf = (order: Order) =>
    new Set(agreeing.filter((judgment) => judgment.order === order).map(({ sample }) => sample));
  const agreeingSamples = ORDERS.map(samplesOf);
  const isCounted = ({ sample }: J) =>
    correctness === 'single-order' || agreeingSamples.every((samples) => samples.has(sample));
  const ofOrder = (order: Order): JudgmentsByCorrectness<J> => ({
    correct: agreeing.filter((judgment) => judgment.order === order && isCounted(judgment)),
    incorrect: judgments.filter(
      (judgment) => judgment.order === order && judgment.verdict !== betterSide[order],
    ),
  });
  return { 'better-first': ofOrder('better-first'), 'worse-first': ofOrder('worse-first') };
}
