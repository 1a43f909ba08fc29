import type { Interval } from './benchmark.ts';

const draws = 1000;

/**
 * 95% percentile bootstrap intervals (Efron 1979) of the means of several figures: each draw takes as many items as
 * there are, with replacement, and all figures of an item together. The items are pairs, not judgments, because the
 * two orders of a pair are not independent. Where every item has the same value the interval has no width, however
 * few they are.
 *
 * @param items one row of figures for each item, all of the same length
 * @returns one interval for each figure, in their order
 */
export function bootstrapIntervals(items: number[][], seed: number): Interval[] {
  const figures = items[0]?.length ?? 0;
  const random = randomNumbers(seed);
  const means = Array.from({ length: figures }, () => new Float64Array(draws));
  for (let draw = 0; draw < draws; draw++) {
    const sums = new Float64Array(figures);
    for (let i = 0; i < items.length; i++) {
      const item = items[Math.floor(random() * items.length)] ?? [];
      for (let figure = 0; figure < figures; figure++) sums[figure]! += item[figure]!;
    }
    for (let figure = 0; figure < figures; figure++) means[figure]![draw] = sums[figure]! / items.length;
  }
  return means.map((values) => {
    values.sort();
    return { low: quantile(values, 0.025), high: quantile(values, 0.975) };
  });
}

/** Linear interpolation between the two nearest ranks. */
function quantile(sorted: Float64Array, share: number): number {
  const position = share * (sorted.length - 1);
  const below = Math.floor(position);
  const low = sorted[below]!;
  const high = sorted[Math.min(below + 1, sorted.length - 1)]!;
  return low + (high - low) * (position - below);
}

/** Mulberry32: 32 bits of state are plenty for resampling, and figures must be the same on every machine. */
function randomNumbers(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
