import { shuffledById } from './seeds.ts';
import type { Side, Verdict } from './verdict.ts';

/** One sampled judgment of an example. */
export interface SampledJudgment {
  readonly id: string;
  /** The number of the sample among all N, from 0. */
  readonly sample: number;
  /** The generated text: the judge's reasoning and verdict, with the marks of a model that thinks before it answers. */
  readonly text: string;
  /** The reasoning that the server returned apart from the text. */
  readonly reasoning?: string;
  readonly verdict: Verdict;
  readonly finishReason: string;
}

/** The plan that a judgment follows. */
export interface JudgmentPlan {
  /** The number of the plan among those of its instruction, from 0. */
  readonly sample: number;
  readonly text: string;
}

/** A judgment with the number of words before its verdict (src/method/words-before-verdict.ts). */
export interface CountedJudgment extends SampledJudgment {
  readonly wordsBeforeVerdict: number;
}

/**
 * Which of several judgments are selected: random ones, by seed and id, if all N were sampled; the ones with the lowest
 * sample number if sampling ended early.
 */
export type SelectionOrder = { readonly kind: 'random'; readonly seed: number } | { readonly kind: 'first' };

/** The selection order that fits a sampling strategy. */
export function selectionOrderOf(
  strategy: { readonly kind: 'all' | 'until-correct' },
  seed: number,
): SelectionOrder {
  return strategy.kind === 'all' ? { kind: 'random', seed } : { kind: 'first' };
}

/**
 * Rejection sampling (method, step 4): selects at most `count` of the judgments with the target side as their verdict.
 * A truncated judgment is never selected: it would teach the judge to stop anywhere.
 *
 * Both selection orders give judgments of the same distribution. The N samples of an example are independent and
 * identically distributed (each has its own seed), and only what makes a judgment acceptable decides when sampling ends:
 * its verdict and, with `filtering.minReasoning`, whether it is reasoned. Given that, every acceptable text has the same
 * distribution, so the first acceptable one is distributed like one drawn from the acceptable ones of all N. Nothing else
 * that depends on a text may decide: taking the first judgment to arrive would favour short ones. Therefore all judgments
 * of a batch are awaited, and those with the lowest sample number are selected, so that the selection doesn't depend on
 * the batch size either.
 */
export function keepCorrectJudgments<J extends SampledJudgment>(
  judgments: readonly J[],
  targetSide: Side,
  selectionOrder: SelectionOrder,
  count = 1,
): J[] {
  return inSelectionOrder(
    judgments.filter((judgment) => isCorrect(judgment, targetSide)),
    selectionOrder,
    'keep',
  ).slice(0, count);
}

/** Sorts judgments in the order of their selection. */
export function inSelectionOrder<J extends Pick<SampledJudgment, 'id' | 'sample'>>(
  judgments: readonly J[],
  selectionOrder: SelectionOrder,
  purpose: string,
): J[] {
  if (selectionOrder.kind === 'random')
    return shuffledById(judgments, selectionOrder.seed, purpose, ({ id }) => id);
  return judgments.toSorted((a, b) => a.sample - b.sample);
}

/** Returns whether a judgment has the target side as its verdict and is not truncated. */
export function isCorrect(
  judgment: Pick<SampledJudgment, 'verdict' | 'finishReason'>,
  targetSide: Side,
): boolean {
  return judgment.verdict === targetSide && judgment.finishReason === 'stop';
}

/**
 * Returns whether a judgment's verdict is the other side, a tie or missing (method, step 5: the rejected judgment of a preference
 * pair). A truncated judgment with the target side is neither correct nor incorrect.
 */
export function isIncorrect(judgment: Pick<SampledJudgment, 'verdict'>, targetSide: Side): boolean {
  return judgment.verdict !== targetSide;
}
