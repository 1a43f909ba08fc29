import type { Interval } from './intervals.ts';
import { mean, meanOrNull } from './strict-scores.ts';

const Z = 1.959963984540054;

/** Two values that belong together, such as a score and its label. */
export type ValuePair = readonly [number, number];

/** How well scores agree with their labels. */
export function scoreAgreement(values: readonly ValuePair[]): {
  readonly withinOnePoint: number | null;
  /** In points. */
  readonly meanError: number | null;
} {
  const errors = values.map(([score, label]) => Math.abs(score - label));
  return {
    withinOnePoint: meanOrNull(errors.map((error) => Number(error <= 1))),
    meanError: meanOrNull(errors),
  };
}

/** Pearson's correlation; null if either side doesn't vary. */
export function pearson(values: readonly ValuePair[]): number | null {
  if (values.length === 0) return null;
  const [meanX, meanY] = [mean(values.map(([x]) => x)), mean(values.map(([, y]) => y))];
  let [covariance, varianceX, varianceY] = [0, 0, 0];
  for (const [x, y] of values) {
    covariance += (x - meanX) * (y - meanY);
    varianceX += (x - meanX) ** 2;
    varianceY += (y - meanY) ** 2;
  }
  if (varianceX < 1e-12 || varianceY < 1e-12) return null;
  return Math.max(-1, Math.min(1, covariance / Math.sqrt(varianceX * varianceY)));
}

/** Spearman's correlation: that of the ranks, of which equal values share the mean. */
export function spearman(values: readonly ValuePair[]): number | null {
  const ranksX = ranks(values.map(([x]) => x));
  const ranksY = ranks(values.map(([, y]) => y));
  return pearson(ranksX.map((rank, index) => [rank, ranksY[index] ?? 0]));
}

/**
 * The 95% interval of a correlation by Fisher's transformation; for ranks with the variance of Fieller, Hartley and Pearson
 * (1957).
 *
 * @param independent the number of pairs that are independent of each other; without an interval below 4
 */
export function correlationInterval(
  correlation: number,
  independent: number,
  kind: 'pearson' | 'spearman',
): Interval | undefined {
  if (independent < 4) return undefined;
  const half = Z * Math.sqrt((kind === 'spearman' ? 1.06 : 1) / (independent - 3));
  // At 1 the transformation is infinite.
  const middle = Math.atanh(Math.max(-1 + 1e-9, Math.min(1 - 1e-9, correlation)));
  return { low: Math.tanh(middle - half), high: Math.tanh(middle + half) };
}

function ranks(values: readonly number[]): number[] {
  const order = values.map((_, index) => index).sort((i, j) => (values[i] ?? 0) - (values[j] ?? 0));
  const ranked = values.map(() => 0);
  for (let start = 0; start < order.length;) {
    let end = start + 1;
    while (end < order.length && values[order[end] ?? 0] === values[order[start] ?? 0]) end += 1;
    for (const index of order.slice(start, end)) ranked[index] = (start + end + 1) / 2;
    start = end;
  }
  return ranked;
}
