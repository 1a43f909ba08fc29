const Z = 1.959963984540054;

/** The bounds of a 95% interval. */
export interface Interval {
  low: number;
  high: number;
}

/** Items that are not independent of each other: their number, and the sum of their values, which are 0 to 1. */
export interface ItemCluster {
  readonly items: number;
  readonly sum: number;
}

/**
 * The 95% score interval of a share (Wilson 1927). Unlike the normal approximation, it also works for few items and for
 * shares of 0 or 1.
 *
 * @param total the number of independent items; not necessarily whole
 */
export function wilsonInterval(count: number, total: number): Interval {
  const share = count / total;
  const middle = (share + Z ** 2 / (2 * total)) / (1 + Z ** 2 / total);
  const half =
    (Z / (1 + Z ** 2 / total)) * Math.sqrt((share * (1 - share)) / total + Z ** 2 / (4 * total ** 2));
  return { low: Math.max(0, middle - half), high: Math.min(1, middle + half) };
}

/**
 * The 95% interval of the mean of values from 0 to 1, some of which belong together: Wilson's interval with the effective
 * number of items, which is the number of independent items of the same precision (Kish 1965; Korn and Graubard 1998).
 * For values of 0 and 1 in clusters of one, it is Wilson's own.
 *
 * The design effect is estimated with one more cluster that is entirely correct and one that is entirely incorrect.
 * Without them, clusters that happen to have no error would count as independent items, and the interval would be too
 * narrow near 100%.
 *
 * @param clusters at least one
 * @param answers the number of answers of an item, if its value is their mean: they are at best independent. With Infinity,
 *   the values count as they vary, however little
 */
export function shareInterval(clusters: readonly ItemCluster[], answers = 1): Interval {
  const items = sum(clusters.map((cluster) => cluster.items));
  const share = sum(clusters.map((cluster) => cluster.sum)) / items;
  const typicalSize = sum(clusters.map((cluster) => cluster.items ** 2)) / items;
  const extended = [...clusters, { items: typicalSize, sum: typicalSize }, { items: typicalSize, sum: 0 }];
  const total = items + 2 * typicalSize;
  const mean = (share * items + typicalSize) / total;
  // The last factor corrects the bias of a large cluster's residual (HC2, MacKinnon and White 1985).
  const squares = extended.map(
    (cluster) => (cluster.sum - mean * cluster.items) ** 2 / (1 - cluster.items / total),
  );
  const designEffect = (sum(squares) * (total - 1)) / (total ** 2 * mean * (1 - mean));
  const effective = items / Math.max(designEffect, 1 / answers);
  return wilsonInterval(share * effective, effective);
}

/** A share with its 95% interval. */
export interface IntervalOfShare {
  readonly share: number;
  readonly interval: Interval;
}

/**
 * The 95% interval of the first share minus the second, from the intervals of both (Newcombe 1998, method 10): as they, it
 * also works for few items and near 100%. The two shares are taken as independent.
 */
export function differenceInterval(first: IntervalOfShare, second: IntervalOfShare): Interval {
  const difference = first.share - second.share;
  const down = Math.hypot(first.share - first.interval.low, second.interval.high - second.share);
  const up = Math.hypot(first.interval.high - first.share, second.share - second.interval.low);
  return { low: Math.max(-1, difference - down), high: Math.min(1, difference + up) };
}

/** Groups values from 0 to 1 by their cluster. */
export function clusterValues(
  values: readonly { readonly cluster: string; readonly value: number }[],
): ItemCluster[] {
  return [...Map.groupBy(values, ({ cluster }) => cluster).values()].map((cluster) => ({
    items: cluster.length,
    sum: sum(cluster.map(({ value }) => value)),
  }));
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
