import { samplingSeed } from '../method/seeds.ts';
import type { ItemOutcome } from './benchmark.ts';
import { bootstrapIntervals } from './bootstrap.ts';
import type { Interval } from './intervals.ts';
import { signFlipTest } from './sign-flip-test.ts';
import { clustersOf, mean } from './strict-scores.ts';

/** The second judge's share minus the first judge's, with its 95% interval. */
export interface ShareDifference {
  difference: number;
  interval: Interval;
}

/** The test of the items that exactly one of two judges judges correctly in both orders. */
export interface McNemar {
  onlyFirst: number;
  onlySecond: number;
  /** Number of items or, if several share a question, of questions: what the test takes as independent. */
  clusters: number;
  /** Two-sided, exact; see {@link signFlipTest}. */
  pValue: number;
}

/** The comparison of two judges on the same items. */
export interface JudgeComparison {
  /** Number of items that both judged. */
  items: number;
  accuracy: ShareDifference;
  /** Difference of the shares of items that are correct in both orders. */
  consistent: ShareDifference;
  mcNemar: McNemar;
}

/**
 * Compares two judges item by item. This is more precise than comparing two intervals, because the same items are hard
 * for both. The intervals are from a paired bootstrap, which draws clusters with the outcomes of both judges. It also draws
 * two more items, of which each judge wins one (as Bonett and Price 2012 add them): without them the interval would be too
 * narrow, or empty, if the judges differ on few items. The test takes clusters as independent, not items.
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
  const clusters = clustersOf(changes, (change) => [change.accuracy, change.consistent]);
  const [accuracy, consistent] = bootstrapIntervals(
    [...clusters, { items: 1, sums: [1, 1] }, { items: 1, sums: [-1, -1] }],
    samplingSeed(seed, 'bootstrap', 'comparison'),
  ) as [Interval, Interval];
  const onlyFirst = changes.filter((change) => change.consistent < 0).length;
  const onlySecond = changes.filter((change) => change.consistent > 0).length;
  return {
    items: changes.length,
    accuracy: { difference: mean(changes.map((change) => change.accuracy)), interval: accuracy },
    consistent: { difference: mean(changes.map((change) => change.consistent)), interval: consistent },
    mcNemar: {
      onlyFirst,
      onlySecond,
      clusters: clusters.length,
      pValue: signFlipTest(clusters.map(({ sums }) => sums[1] ?? 0)),
    },
  };
}
