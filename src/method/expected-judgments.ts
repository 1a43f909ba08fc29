/** Computes the expected numbers of judgments of an example before any is sampled. */
import { requiredJudgments, sampleBatches, type SamplingStrategy } from './sampling-batches.ts';

export interface SamplingPlan {
  readonly strategy: SamplingStrategy;
  /** N. */
  readonly samples: number;
  readonly judgmentsPerExample: number;
}

/** Of one example: a pair in one order. */
export interface ExpectedJudgments {
  readonly requests: number;
  /** Judgments that are sampled. */
  readonly judgments: number;
  /** By the number of correct ones among `drawn`, the chance of it. */
  readonly probabilityOf: (correct: number, drawn: number) => number;
}

/**
 * Examples differ: a judge gets some correct every time, and others never. How often it is correct about one is taken to be
 * spread as Beta(2p, 2(1 - p)) around the mean p, which for p = 0.5 is the uniform spread that the sizes of the waves
 * assume too (src/method/sampling-batches.ts). So the correct ones among k samples follow a beta-binomial distribution, and a wave is
 * asked for with the chance that those before it don't suffice.
 */
export function expectedJudgments(plan: SamplingPlan, correctShare: number): ExpectedJudgments {
  const probabilityOf = (correct: number, drawn: number) => betaBinomial(correct, drawn, correctShare);
  const needed = requiredJudgments(plan.strategy, plan.judgmentsPerExample);
  let requests = 0;
  let judgments = 0;
  for (const { start, end } of sampleBatches(plan.strategy, plan.samples)) {
    const chance =
      needed === undefined
        ? 1
        : sumUpTo(start, (correct) => {
            const suffices = correct >= needed.correct && start - correct >= needed.incorrect;
            return suffices ? 0 : probabilityOf(correct, start);
          });
    requests += chance;
    judgments += chance * (end - start);
  }
  return { requests, judgments, probabilityOf };
}

/** The sum of `term` over 0 to `last`. */
export function sumUpTo(last: number, term: (value: number) => number): number {
  return Array.from({ length: last + 1 }, (_, value) => term(value)).reduce((sum, each) => sum + each, 0);
}

/** The chance of `correct` successes in `drawn`, with parameters that sum to 2. */
function betaBinomial(correct: number, drawn: number, mean: number): number {
  // A judge that is never, or always, correct has no spread.
  if (mean <= 0) return correct === 0 ? 1 : 0;
  if (mean >= 1) return correct === drawn ? 1 : 0;
  const [alpha, beta] = [2 * mean, 2 * (1 - mean)];
  let logarithm = 0;
  for (let k = 0; k < drawn; k += 1) logarithm -= Math.log(2 + k);
  for (let k = 0; k < correct; k += 1)
    logarithm += Math.log(alpha + k) + Math.log(drawn - k) - Math.log(k + 1);
  for (let k = 0; k < drawn - correct; k += 1) logarithm += Math.log(beta + k);
  return Math.exp(logarithm);
}
