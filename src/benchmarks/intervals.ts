import type { Interval } from './benchmark.ts';

/** The 95% score interval of a share (Wilson 1927). Unlike the normal approximation, it also works for few items and for shares of 0 or 1. */
export function wilsonInterval(count: number, total: number): Interval {
  const z = 1.959963984540054;
  const share = count / total;
  const middle = (share + z ** 2 / (2 * total)) / (1 + z ** 2 / total);
  const half =
    (z / (1 + z ** 2 / total)) * Math.sqrt((share * (1 - share)) / total + z ** 2 / (4 * total ** 2));
  return { low: Math.max(0, middle - half), high: Math.min(1, middle + half) };
}
