import assert from 'node:assert/strict';
import {
  differenceInterval,
  type Interval,
  type ItemCluster,
  shareInterval,
  wilsonInterval,
} from '../../src/benchmarks/intervals.ts';
import { randomNumbers } from '../../src/benchmarks/bootstrap.ts';

const close = (actual: Interval, low: number, high: number, tolerance = 1e-9) =>
  assert(
    Math.abs(actual.low - low) <= tolerance && Math.abs(actual.high - high) <= tolerance,
    `${JSON.stringify(actual)} is not ${low} to ${high}`,
  );

/** Clusters of so many items with so many correct ones. */
const clustersOf = (sums: number[], items: number): ItemCluster[] => sums.map((sum) => ({ items, sum }));

describe('the Wilson interval', () => {
  it('is the score interval of the published examples', () => {
    // The examples of Newcombe 1998, table I, method 3.
    for (const [count, of, low, high] of [
      [81, 263, 0.2553, 0.3662],
      [15, 148, 0.0624, 0.1605],
      [0, 20, 0, 0.1611],
      [1, 29, 0.0061, 0.1718],
    ] as const)
      close(wilsonInterval(count, of), low, high, 5e-5);
  });

  it('has the bounds of statsmodels 0.15.0, proportion_confint(count, nobs, method="wilson")', () => {
    close(wilsonInterval(27, 28), 0.8228780225664668, 0.9936674801509623);
    close(wilsonInterval(28, 28), 0.8793566952341542, 1);
    close(wilsonInterval(0, 5), 0, 0.43448246478317487);
    close(wilsonInterval(310, 320), 0.9434405313716376, 0.9829386947240095);
  });
});

describe('the interval of a share over clusters', () => {
  it("is Wilson's own for clusters of one item", () => {
    const sums = Array.from({ length: 28 }, (_, i) => (i === 0 ? 0 : 1));
    const { low, high } = wilsonInterval(27, 28);
    close(shareInterval(clustersOf(sums, 1)), low, high);
  });

  it('has the bounds of the cluster-robust variance of statsmodels', () => {
    // statsmodels 0.15.0: V = OLS(answers, ones).fit(cov_type="cluster"), over the clusters and one correct and one incorrect
    // cluster more, against p (1 - p) / (n - 1); then proportion_confint(method="wilson") with the effective n.
    close(
      shareInterval(clustersOf([6, 6, 5, 6, 0, 6, 6, 3, 6, 6], 6)),
      0.5447714962888013,
      0.9543187100649311,
    );
    close(
      shareInterval(
        clustersOf(
          Array.from({ length: 10 }, () => 6),
          6,
        ),
      ),
      0.7075899709112106,
      1,
    );
    close(shareInterval(clustersOf([2, 2, 1, 2, 0, 2, 1, 2], 2)), 0.4414233703799636, 0.9192805621102554);
  });

  it('is as narrow as that of independent answers at best', () => {
    // Both orders of each pair differ: the mean of each pair is the same, but nothing is known better for that.
    const halves = clustersOf(
      Array.from({ length: 40 }, () => 0.5),
      1,
    );
    const { low, high } = wilsonInterval(40, 80);
    close(shareInterval(halves, 2), low, high);
  });

  it('covers the true share in about 95 of 100 samples, for few and many clusters of all sizes and near 100%', () => {
    const random = randomNumbers(20);
    const repetitions = 3000;
    for (const clusters of [28, 80, 164])
      for (const items of [1, 2, 6])
        for (const share of [0.6, 0.9, 0.97])
          for (const alike of items === 1 ? [0] : [0, 0.5, 1]) {
            let covered = 0;
            for (let repetition = 0; repetition < repetitions; repetition++) {
              const sample = Array.from({ length: clusters }, () => cluster(random, items, share, alike));
              const { low, high } = shareInterval(sample);
              if (low <= share && share <= high) covered += 1;
            }
            const coverage = covered / repetitions;
            // A pair of clusters more makes intervals wider than needed if near 100% items are independent after all.
            const isNearby = coverage > 0.93 && coverage < (alike === 0 && items > 1 ? 1 : 0.985);
            assert(
              isNearby,
              `${clusters} clusters of ${items} at ${share}, alike ${alike}: ${100 * coverage}%`,
            );
          }
  });

  it('of a percentile bootstrap would cover much less near 100%, and one that ignores clusters too', () => {
    // What the intervals above are for: 28 pairs with a share of 0.97, and 80 questions of six pairs.
    const random = randomNumbers(21);
    let ignoring = 0;
    let degenerate = 0;
    for (let repetition = 0; repetition < 2000; repetition++) {
      const sample = Array.from({ length: 80 }, () => cluster(random, 6, 0.9, 0.5));
      const sum = sample.reduce((total, each) => total + each.sum, 0);
      const { low, high } = wilsonInterval(sum, 480);
      if (low <= 0.9 && 0.9 <= high) ignoring += 1;
      if (Array.from({ length: 28 }, () => cluster(random, 1, 0.97, 0)).every((each) => each.sum === 1))
        degenerate += 1;
    }
    assert(ignoring / 2000 < 0.8, String(ignoring));
    // Without an error in the sample, all draws are equal and the percentile interval is empty.
    assert(degenerate / 2000 > 0.38, String(degenerate));
  });
});

describe('the interval of a difference of two shares', () => {
  const share = (count: number, of: number) => ({ share: count / of, interval: wilsonInterval(count, of) });

  it('has the published bounds', () => {
    // Newcombe 1998 (Interval estimation for the difference between independent proportions), table II, method 10.
    close(differenceInterval(share(56, 70), share(48, 80)), 0.0524, 0.3339, 5e-5);
    close(differenceInterval(share(9, 10), share(3, 10)), 0.1705, 0.809, 5e-5);
    close(differenceInterval(share(10, 10), share(0, 20)), 0.6791, 1, 5e-5);
  });
});

/** A cluster whose items share their outcome with the probability `alike`, and are independent otherwise. */
function cluster(random: () => number, items: number, share: number, alike: number): ItemCluster {
  if (random() < alike) return { items, sum: random() < share ? items : 0 };
  let sum = 0;
  for (let item = 0; item < items; item++) sum += Number(random() < share);
  return { items, sum };
}
