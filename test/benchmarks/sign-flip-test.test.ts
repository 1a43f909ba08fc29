import assert from 'node:assert/strict';
import fc from 'fast-check';
import { signFlipTest } from '../../src/benchmarks/sign-flip-test.ts';
import { randomNumbers } from '../../src/benchmarks/bootstrap.ts';

const close = (actual: number, expected: number, tolerance = 1e-12) =>
  assert(Math.abs(actual - expected) < tolerance, `${actual} is not ${expected}`);

/** Differences of independent items, of which the first judge wins so many and the second so many. */
const items = (first: number, second: number) => [
  ...Array.from({ length: first }, () => -1),
  ...Array.from({ length: second }, () => 1),
];

describe('the test of two judges', () => {
  it("is McNemar's exact test for independent items", () => {
    // statsmodels 0.15.0, mcnemar([[0, b], [c, 0]], exact=True).
    close(signFlipTest(items(2, 8)), 0.109375);
    close(signFlipTest(items(0, 5)), 0.0625);
    close(signFlipTest(items(13, 30)), 0.0137181850586785);
    close(signFlipTest(items(5, 5)), 1);
    close(signFlipTest([]), 1);
    close(signFlipTest([0, 0]), 1);
  });

  it('is the exact permutation test of the differences of clusters', () => {
    // scipy 1.17.1, permutation_test((differences,), sum, permutation_type="samples", n_resamples=inf).
    close(signFlipTest([3, -1, 2, 0, 0, 1, -2, 4]), 0.34375);
    close(signFlipTest([6, 6, -6, 5, 4, 0, -1]), 0.375);
    close(signFlipTest([2, 2, 2, -1, -1, 3]), 0.21875);
  });

  it('agrees with all combinations of signs, whichever judge comes first', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: -7, max: 7 }), { maxLength: 10 }), (differences) => {
        const observed = Math.abs(differences.reduce((sum, each) => sum + each, 0));
        let extreme = 0;
        for (let signs = 0; signs < 2 ** differences.length; signs++) {
          const sum = differences.reduce((total, each, i) => total + ((signs >> i) & 1 ? each : -each), 0);
          if (Math.abs(sum) >= observed) extreme += 1;
        }
        close(signFlipTest(differences), extreme / 2 ** differences.length);
        close(signFlipTest(differences.map((each) => -each)), signFlipTest(differences));
      }),
      { numRuns: 200 },
    );
  });

  it('is exact for thousands of items, too', () => {
    // 2 * scipy.stats.binom.cdf(2000, 4200, 0.5)
    const p = signFlipTest(items(2000, 2200));
    assert(p > 0.0019 && p < 0.0022, String(p));
  });

  it('finds a difference between two equal judges in about 5 of 100 samples, though items share questions', () => {
    const random = randomNumbers(4);
    const repetitions = 2000;
    const rates = { clustered: 0, ignoring: 0 };
    for (let repetition = 0; repetition < repetitions; repetition++) {
      const ofQuestions = Array.from({ length: 60 }, () => {
        // Each judge understands a question, and then errs on few of its six pairs, or doesn't.
        const [first, second] = [random() < 0.5 ? 0.95 : 0.4, random() < 0.5 ? 0.95 : 0.4];
        return Array.from({ length: 6 }, () => Number(random() < second) - Number(random() < first));
      });
      const sums = ofQuestions.map((pairs) => pairs.reduce((sum, each) => sum + each, 0));
      if (signFlipTest(sums) < 0.05) rates.clustered += 1 / repetitions;
      if (signFlipTest(ofQuestions.flat()) < 0.05) rates.ignoring += 1 / repetitions;
    }
    assert(rates.clustered > 0.035 && rates.clustered < 0.065, JSON.stringify(rates));
    // McNemar's test on the pairs, which are not independent.
    assert(rates.ignoring > 0.12, JSON.stringify(rates));
  });
});
