import { samplingSeed } from '../judge/seeds.ts';
import type { Interval, ItemOutcome } from './benchmark.ts';
import { bootstrapIntervals } from './bootstrap.ts';
import { clustersOf, mean } from './strict-scores.ts';

/** A difference of shares, the second judge less the first, with its 95% interval. */
export interface Difference {
  difference: number;
  interval: Interval;
}

/** McNemar's test: of the items that only one of two judges gets right, how unlikely is this split by chance? */
export interface McNemar {
  onlyFirst: number;
  onlySecond: number;
  /** Two-sided, exact. */
  p: number;
}

/** Two judges on the same items. */
export interface JudgeComparison {
  /** Items that both were asked about. */
  items: number;
  accuracy: Difference;
  /** Of the share of items that are right in both orders. */
  consistent: Difference;
  /** Over items that are right in both orders. */
  mcNemar: McNemar;
}

/**
 * Compares two judges item by item: much sharper than two intervals beside each other, because both found the same
 * items hard. The intervals are a paired bootstrap (items, or what they share, are drawn with both judges' outcomes).
 * McNemar's test takes items as independent, so where they share a question its p is too small.
 *
 * @param first the judge to compare with
 * @throws RangeError where the two have no item in common
 */
export function compareJudges(
  first: readonly ItemOutcome[],
  second: readonly ItemOutcome[],
  seed: number,
): JudgeComparison {
  const others = new Map(second.map((outcome) => [outcome.id, outcome]));
  const paired = first.flatMap((before) => {
    const after = others.get(before.id);
    if (after === undefined) return [];
    const { id, cluster } = before;
    const change = {
      accuracy: after.accuracy - before.accuracy,
      consistent: after.consistent - before.consistent,
    };
    return [{ id, ...(cluster === undefined ? {} : { cluster }), ...change }];
  });
  if (paired.length === 0) throw new RangeError('the two judges have no item in common');
  const [accuracy, consistent] = bootstrapIntervals(
    clustersOf(paired, (change) => [change.accuracy, change.consistent]),
    samplingSeed(seed, 'bootstrap', 'comparison'),
  ) as [Interval, Interval];
  const onlyFirst = paired.filter((change) => change.consistent < 0).length;
  const onlySecond = paired.filter((change) => change.consistent > 0).length;
  return {
    items: paired.length,
    accuracy: { difference: mean(paired.map((change) => change.accuracy)), interval: accuracy },
    consistent: { difference: mean(paired.map((change) => change.consistent)), interval: consistent },
    mcNemar: { onlyFirst, onlySecond, p: exactMcNemar(onlyFirst, onlySecond) },
  };
}

/**
 * McNemar's exact test (1947): where neither judge is better, the items that only one gets right fall to either with
 * the chance of a coin. Twice the smaller tail of Binomial(n, 1/2), at most 1.
 */
export function exactMcNemar(onlyFirst: number, onlySecond: number): number {
  const tosses = onlyFirst + onlySecond;
  // In logarithms: 2^-n is no double beyond a thousand.
  let logTerm = -tosses * Math.LN2;
  let tail = 0;
  for (let heads = 0; heads <= Math.min(onlyFirst, onlySecond); heads++) {
    tail += Math.exp(logTerm);
    logTerm += Math.log(tosses - heads) - Math.log(heads + 1);
  }
  return Math.min(1, 2 * tail);
}
