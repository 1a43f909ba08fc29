import { samplingSeed } from '../method/seeds.ts';
import type { Interval, ItemOutcome } from './benchmark.ts';
import { bootstrapIntervals } from './bootstrap.ts';
import { clustersOf, mean } from './strict-scores.ts';

/** The second judge's share minus the first judge's, with its 95% interval. */
export interface ShareDifference {
  difference: number;
  interval: Interval;
}

/** McNemar's test on the items that exactly one of two judges judges correctly. */
export interface McNemar {
  onlyFirst: number;
  onlySecond: number;
  /** Two-sided, exact. */
  pValue: number;
}

/** The comparison of two judges on the same items. */
export interface JudgeComparison {
  /** Number of items that both judged. */
  items: number;
  accuracy: ShareDifference;
  /** Difference of the shares of items that are correct in both orders. */
  consistent: ShareDifference;
  /** An item counts as correct if it is correct in both orders. */
  mcNemar: McNemar;
}

/**
 * Compares two judges item by item. This is more precise than comparing two intervals, because the same items are hard
 * for both. The intervals are from a changes bootstrap, which draws clusters with the outcomes of both judges. McNemar's
 * test assumes independent items, so its p-value is too small for items that share a question.
 *
 * @param first the baseline judge
 * @throws RangeError if the judges have no common item
 */
export function compareJudges(
  first: readonly ItemOutcome[],
  second: readonly ItemOutcome[],
  seed: number,
): JudgeComparison {
  const others = new Map(second.map((outcome) => [outcome.id, outcome]));
  const changes = first.flatMap((before) => {
    const after = others.get(before.id);
    if (after === undefined) return [];
    const { id, cluster } = before;
    const change = {
      accuracy: after.accuracy - before.accuracy,
      consistent: after.consistent - before.consistent,
    };
    return [{ id, ...(cluster === undefined ? {} : { cluster }), ...change }];
  });
  if (changes.length === 0) throw new RangeError('the two judges have no common item');
  const [accuracy, consistent] = bootstrapIntervals(
    clustersOf(changes, (change) => [change.accuracy, change.consistent]),
    samplingSeed(seed, 'bootstrap', 'comparison'),
  ) as [Interval, Interval];
  const onlyFirst = changes.filter((change) => change.consistent < 0).length;
  const onlySecond = changes.filter((change) => change.consistent > 0).length;
  return {
    items: changes.length,
    accuracy: { difference: mean(changes.map((change) => change.accuracy)), interval: accuracy },
    consistent: { difference: mean(changes.map((change) => change.consistent)), interval: consistent },
    mcNemar: { onlyFirst, onlySecond, pValue: exactMcNemar(onlyFirst, onlySecond) },
  };
}

/**
 * McNemar's exact test (1947). If neither judge is better, each item that exactly one judge judges correctly is equally
 * likely to be either judge's. The p-value is twice the smaller tail of Binomial(n, 1/2), at most 1.
 */
export function exactMcNemar(onlyFirst: number, onlySecond: number): number {
  const tosses = onlyFirst + onlySecond;
  // Uses logarithms, because 2^-n underflows a double for n above 1,074.
  let logTerm = -tosses * Math.LN2;
  let tail = 0;
  for (let heads = 0; heads <= Math.min(onlyFirst, onlySecond); heads++) {
    tail += Math.exp(logTerm);
    logTerm += Math.log(tosses - heads) - Math.log(heads + 1);
  }
  return Math.min(1, 2 * tail);
}
