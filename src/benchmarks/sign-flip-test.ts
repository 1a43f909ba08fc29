/**
 * The two-sided p-value of the hypothesis that neither of two judges is better, by the exact randomisation test (Fisher
 * 1935, Pitman 1937): under the hypothesis, each cluster's difference is as likely as its opposite. The clusters are
 * independent, the items in one need not be. For clusters of one item, this is McNemar's exact test (1947).
 *
 * @param differences for each cluster, the number of items that only the second judge got right minus the number that
 *   only the first got right; whole numbers
 */
export function signFlipTest(differences: readonly number[]): number {
  const observed = Math.abs(differences.reduce((sum, difference) => sum + difference, 0));
  const sizes = differences.map(Math.abs).filter((size) => size > 0);
  const most = sizes.reduce((sum, size) => sum + size, 0);
  // The probability of each sum of the differences with random signs; index 0 is the lowest sum, -most.
  let probabilities = new Float64Array(2 * most + 1);
  probabilities[most] = 1;
  let reach = 0;
  for (const size of sizes) {
    const next = new Float64Array(probabilities.length);
    for (let sum = most - reach; sum <= most + reach; sum++) {
      const half = (probabilities[sum] ?? 0) / 2;
      if (half === 0) continue;
      next[sum + size]! += half;
      next[sum - size]! += half;
    }
    probabilities = next;
    reach += size;
  }
  let tails = 0;
  for (let sum = 0; sum <= most - observed; sum++) tails += 2 * (probabilities[sum] ?? 0);
  return observed === 0 ? 1 : Math.min(1, tails);
}
