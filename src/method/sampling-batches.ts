import { isCorrect, isIncorrect, type SampledJudgment } from './rejection-sampling.ts';
import type { Side } from './verdict.ts';

/** How the samples of an example are requested: `judging.strategy` with its defaults. */
export type SamplingStrategy =
  | { readonly kind: 'all' }
  | {
      readonly kind: 'until-correct';
      readonly initialBatchSize: number;
      readonly also?: 'incorrect' | undefined;
    };

/** Samples `start` to `end` - 1 of an example. All of them are requested and awaited before the next batch. */
export interface SampleBatch {
  readonly start: number;
  readonly end: number;
}

/**
 * The batches in which the N samples of an example are requested: all in one, or of sizes b, 2b, 4b, ... until there are
 * N. The batches depend only on strategy and N, so that a crash changes nothing.
 *
 * The sizes double because a request is charged for its prompt once, however many samples it requests. Small batches suit
 * an example that the judge mostly judges correctly, large ones an example that it mostly judges incorrectly, and only
 * failures tell the two apart. With a uniform prior, after k failures the next m samples all fail with probability
 * (k + 1) / (k + m + 1), so k + 1 more samples give an even chance of a correct one. This makes batches of 1, 2, 4, 8:
 * at most four requests for N = 15, and an easy example still needs only one sample. Measured in docs/judging.md.
 */
export function sampleBatches(strategy: SamplingStrategy, samples: number): SampleBatch[] {
  const batches: SampleBatch[] = [];
  let size = strategy.kind === 'all' ? samples : strategy.initialBatchSize;
  for (let start = 0; start < samples; size *= 2) {
    const end = Math.min(start + size, samples);
    batches.push({ start, end });
    start = end;
  }
  return batches;
}

/** How many correct and incorrect judgments of an example end its sampling; undefined if all N are sampled. */
export function requiredJudgments(
  strategy: SamplingStrategy,
  judgmentsPerExample: number,
): { readonly correct: number; readonly incorrect: number } | undefined {
  if (strategy.kind === 'all') return undefined;
  return { correct: judgmentsPerExample, incorrect: strategy.also === 'incorrect' ? 1 : 0 };
}

/**
 * Returns whether the judgments of an example's complete batches end its sampling.
 * @param isLearned whether a correct judgment may be learned; a guess may not with `filtering.minReasoning`
 */
export function hasRequiredJudgments<J extends SampledJudgment>(
  judgments: readonly J[],
  betterSide: Side,
  required: ReturnType<typeof requiredJudgments>,
  isLearned: (judgment: J) => boolean = () => true,
): boolean {
  if (required === undefined) return false;
  const correct = judgments.filter(
    (judgment) => isCorrect(judgment, betterSide) && isLearned(judgment),
  ).length;
  const incorrect = judgments.filter((judgment) => isIncorrect(judgment, betterSide)).length;
  return correct >= required.correct && incorrect >= required.incorrect;
}
