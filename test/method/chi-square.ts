/** 0.999 quantiles of the chi-square distribution by degrees of freedom (NIST/SEMATECH e-Handbook, 1.3.6.7.4). */
const CRITICAL_AT_1_IN_1000: Readonly<Record<number, number>> = {
  1: 10.828,
  2: 13.816,
  3: 16.266,
  4: 18.467,
  5: 20.515,
};

/**
 * Pearson's chi-square test of homogeneity: whether two samples of categories may come from one distribution.
 * `statistic` above `critical` says no, wrongly once in 1,000 times.
 */
export function compareSamples(
  first: readonly string[],
  second: readonly string[],
): { statistic: number; critical: number } {
  const categories = [...new Set([...first, ...second])];
  const total = first.length + second.length;
  let statistic = 0;
  for (const category of categories) {
    const counts = [first, second].map((sample) => sample.filter((drawn) => drawn === category).length);
    const ofCategory = (counts[0] ?? 0) + (counts[1] ?? 0);
    for (const [index, sample] of [first, second].entries()) {
      const expected = (ofCategory * sample.length) / total;
      if (expected < 5)
        throw new RangeError(`${category} is too rare for a chi-square test: ${expected} expected`);
      statistic += ((counts[index] ?? 0) - expected) ** 2 / expected;
    }
  }
  const critical = CRITICAL_AT_1_IN_1000[categories.length - 1];
  if (critical === undefined) throw new RangeError(`no critical value for ${categories.length} categories`);
  return { statistic, critical };
}
