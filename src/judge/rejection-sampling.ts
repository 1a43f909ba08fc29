import { shuffledById } from './seeds.ts';
import type { Side, Verdict } from './verdict.ts';

/** One sampled judgment of an example. */
export interface SampledJudgment {
  readonly id: string;
  /** Which of the N samples, from 0. */
  readonly sample: number;
  /** The judge's reasoning and verdict, as it was generated. */
  readonly text: string;
  readonly verdict: Verdict;
  readonly finishReason: string;
}

/**
 * Which of several judgments are taken: any, by seed and id, where all N were drawn; the ones with the lowest sample
 * index where sampling ended early.
 */
export type Taking = { readonly kind: 'random'; readonly seed: number } | { readonly kind: 'first' };

/** How judgments are to be taken that a strategy has drawn. */
export function takingOf(strategy: { readonly kind: 'all' | 'until-correct' }, seed: number): Taking {
  return strategy.kind === 'all' ? { kind: 'random', seed } : { kind: 'first' };
}

/**
 * Rejection sampling (method, step 4): of the judgments that reach the right side at most `count`. Empty when none does.
 * A judgment that was cut off is never kept: it would teach the judge to stop anywhere.
 *
 * Both ways of taking keep judgments of the same distribution. The N samples of an example are independent and alike
 * (each has a seed of its own), and when sampling ends is decided by their verdicts alone. Given the verdicts, every
 * right text is distributed like any other, so the first right one like one drawn from the right ones of all N. What
 * must not decide is anything that depends on a text: to take the first to *arrive* would favour short judgments. That
 * is why a wave is awaited whole. Right ones behind the lowest index in the last wave are left, so that what is kept
 * doesn't depend on the size of a wave.
 */
export function keepRightJudgments<J extends SampledJudgment>(
  judgments: readonly J[],
  rightSide: Side,
  taking: Taking,
  count = 1,
): J[] {
  return take(
    judgments.filter((judgment) => isRight(judgment, rightSide)),
    taking,
    'keep',
  ).slice(0, count);
}

/** The judgments in the order in which they are to be taken: a preference pair's chosen or rejected ones likewise. */
export function take<J extends SampledJudgment>(
  judgments: readonly J[],
  taking: Taking,
  purpose: string,
): J[] {
  if (taking.kind === 'random') return shuffledById(judgments, taking.seed, purpose, ({ id }) => id);
  return judgments.toSorted((a, b) => a.sample - b.sample);
}

/** Whether a judgment reaches the right side and came to its end. */
export function isRight(
  judgment: Pick<SampledJudgment, 'verdict' | 'finishReason'>,
  rightSide: Side,
): boolean {
  return judgment.verdict === rightSide && judgment.finishReason === 'stop';
}

/**
 * Whether a judgment reaches the other side, a tie or no verdict (method, step 5: what a preference pair rejects). One
 * that says the right side but was cut off is neither right nor wrong.
 */
export function isWrong(judgment: Pick<SampledJudgment, 'verdict'>, rightSide: Side): boolean {
  return judgment.verdict !== rightSide;
}
