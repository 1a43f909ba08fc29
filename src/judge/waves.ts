import { isRight, isWrong, type SampledJudgment } from './rejection-sampling.ts';
import type { Side } from './verdict.ts';

/** How the samples of an example are asked for: `judging.strategy` with its defaults filled in. */
export type SamplingStrategy =
  | { readonly kind: 'all' }
  | { readonly kind: 'until-correct'; readonly wave: number; readonly also?: 'wrong' | undefined };

/** Samples `start` to `end` - 1 of an example, which are asked for together and awaited whole. */
export interface Wave {
  readonly start: number;
  readonly end: number;
}

/**
 * The waves in which the N samples of an example are drawn: all in one, or w, 2w, 4w, ... until N is reached. The bounds
 * follow from strategy and N alone, so that a crash changes nothing.
 *
 * Why they double: a request costs its prompt once, however many samples it asks for. Small waves suit an example that
 * the judge mostly gets right, large ones an example that it mostly gets wrong, and which of them an example is shows
 * only in its failures. Where nothing is known before (a uniform prior), k failures leave a chance of (k + 1) / (k + m + 1)
 * that m more fail too: an even chance of a right one takes k + 1 more. That makes waves of 1, 2, 4, 8: four requests at
 * most for N = 15 instead of fifteen, and an easy example still costs one sample. Measured in docs/judging.md.
 */
export function wavesOf(strategy: SamplingStrategy, samples: number): Wave[] {
  const waves: Wave[] = [];
  let size = strategy.kind === 'all' ? samples : strategy.wave;
  for (let start = 0; start < samples; size *= 2) {
    const end = Math.min(start + size, samples);
    waves.push({ start, end });
    start = end;
  }
  return waves;
}

/** How many right and wrong judgments of an example end its sampling; undefined where all N are wanted. */
export function neededJudgments(
  strategy: SamplingStrategy,
  judgmentsPerExample: number,
): { readonly right: number; readonly wrong: number } | undefined {
  if (strategy.kind === 'all') return undefined;
  return { right: judgmentsPerExample, wrong: strategy.also === 'wrong' ? 1 : 0 };
}

/** Whether the judgments of an example, whole waves of them, suffice. */
export function suffices(
  judgments: readonly SampledJudgment[],
  betterSide: Side,
  needed: ReturnType<typeof neededJudgments>,
): boolean {
  if (needed === undefined) return false;
  const right = judgments.filter((judgment) => isRight(judgment, betterSide)).length;
  const wrong = judgments.filter((judgment) => isWrong(judgment, betterSide)).length;
  return right >= needed.right && wrong >= needed.wrong;
}
