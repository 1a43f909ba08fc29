/** What sampling judgments of an example comes to on average, before any is sampled. */
import { neededJudgments, wavesOf, type SamplingStrategy } from '../judge/waves.ts';

export interface JudgingPlan {
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
  /** By the number of right ones among `drawn`, the chance of it. */
  readonly rightOf: (right: number, drawn: number) => number;
}

/**
 * Examples differ: a judge gets some right every time, and others never. How often it is right about one is taken to be
 * spread as Beta(2p, 2(1 - p)) around the mean p, which for p = 0.5 is the uniform spread that the sizes of the waves
 * assume too (src/judge/waves.ts). So the right ones among k samples follow a beta-binomial distribution, and a wave is
 * asked for with the chance that those before it don't suffice.
 */
export function expectedJudgments(plan: JudgingPlan, rightShare: number): ExpectedJudgments {
  const rightOf = (right: number, drawn: number) => betaBinomial(right, drawn, rightShare);
  const needed = neededJudgments(plan.strategy, plan.judgmentsPerExample);
  let requests = 0;
  let judgments = 0;
  for (const { start, end } of wavesOf(plan.strategy, plan.samples)) {
    const chance =
      needed === undefined
        ? 1
        : sumOver(start, (right) => {
            const suffices = right >= needed.right && start - right >= needed.wrong;
            return suffices ? 0 : rightOf(right, start);
          });
    requests += chance;
    judgments += chance * (end - start);
  }
  return { requests, judgments, rightOf };
}

/** The sum of `term` over 0 to `last`. */
export function sumOver(last: number, term: (value: number) => number): number {
  return Array.from({ length: last + 1 }, (_, value) => term(value)).reduce((sum, each) => sum + each, 0);
}

/** The chance of `right` successes in `drawn`, with parameters that sum to 2. */
function betaBinomial(right: number, drawn: number, mean: number): number {
  // A judge that is never, or always, right has no spread.
  if (mean <= 0) return right === 0 ? 1 : 0;
  if (mean >= 1) return right === drawn ? 1 : 0;
  const [alpha, beta] = [2 * mean, 2 * (1 - mean)];
  let logarithm = 0;
  for (let k = 0; k < drawn; k += 1) logarithm -= Math.log(2 + k);
  for (let k = 0; k < right; k += 1) logarithm += Math.log(alpha + k) + Math.log(drawn - k) - Math.log(k + 1);
  for (let k = 0; k < drawn - right; k += 1) logarithm += Math.log(beta + k);
  return Math.exp(logarithm);
}
