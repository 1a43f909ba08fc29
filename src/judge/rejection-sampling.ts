import { shuffledById } from './seeds.ts';
import type { Side, Verdict } from './verdict.ts';

/** One sampled judgment of an example. */
export interface SampledJudgment {
  readonly id: string;
  /** The judge's reasoning and verdict, as it was generated. */
  readonly text: string;
  readonly verdict: Verdict;
  readonly finishReason: string;
}

/**
 * Rejection sampling (method, step 4): of the judgments that reach the side which the construction makes better, one,
 * chosen at random by seed and id; undefined when none does. A judgment that was cut off is never kept: it would teach
 * the judge to stop anywhere.
 */
export function keepRightJudgment<J extends SampledJudgment>(
  judgments: readonly J[],
  betterSide: Side,
  seed: number,
): J | undefined {
  const right = judgments.filter((judgment) => isRight(judgment, betterSide));
  return shuffledById(right, seed, 'keep', (judgment) => judgment.id)[0];
}

/** Whether a judgment agrees with the construction and came to its end. */
export function isRight(judgment: SampledJudgment, betterSide: Side): boolean {
  return judgment.verdict === betterSide && judgment.finishReason === 'stop';
}
