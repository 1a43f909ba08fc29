import type { Interval } from './intervals.ts';

const DRAWS = 1000;

/** Items that are drawn together: their number, and the sum of each figure over them. */
export interface Cluster {
  readonly items: number;
  readonly sums: readonly number[];
}

/**
 * Computes 95% percentile bootstrap intervals (Efron 1979) of the means of several figures. Each draw takes as many
 * clusters as there are, with replacement, and all figures of a cluster together. A cluster is a pair, not a judgment,
 * because the two orders of a pair are not independent; if several pairs come from one question, it is the question. If
 * all clusters have the same mean, the interval has zero width, even for few clusters.
 *
 * @param clusters all must have the same number of sums
 * @returns one interval for each figure, in their order
 */
export function bootstrapIntervals(clusters: readonly Cluster[], seed: number): Interval[] {
  const figures = clusters[0]?.sums.length ?? 0;
  const random = randomNumbers(seed);
  const means = Array.from({ length: figures }, () => new Float64Array(DRAWS));
  for (let draw = 0; draw < DRAWS; draw++) {
    const sums = new Float64Array(figures);
    let items = 0;
    for (let i = 0; i < clusters.length; i++) {
      const cluster = clusters[Math.floor(random() * clusters.length)]!;
      items += cluster.items;
      for (let figure = 0; figure < figures; figure++) sums[figure]! += cluster.sums[figure]!;
    }
    for (let figure = 0; figure < figures; figure++) means[figure]![draw] = sums[figure]! / items;
  }
  return means.map((values) => {
    values.sort();
    return { low: quantile(values, 0.025), high: quantile(values, 0.975) };
  });
}

/** The quantile by linear interpolation between the two nearest ranks. */
function quantile(sorted: Float64Array, share: number): number {
  const position = share * (sorted.length - 1);
  const below = Math.floor(position);
  const low = sorted[below]!;
  const high = sorted[Math.min(below + 1, sorted.length - 1)]!;
  return low + (high - low) * (position - below);
}

/** Mulberry32: 32 bits of state are enough for resampling, and the numbers are the same on every machine. */
export function randomNumbers(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
