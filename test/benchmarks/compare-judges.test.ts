import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { ItemOutcome } from '../../src/benchmarks/benchmark.ts';
import { compareJudges, exactMcNemar } from '../../src/benchmarks/compare-judges.ts';

const close = (actual: number, expected: number, tolerance = 1e-12) =>
  assert(Math.abs(actual - expected) < tolerance, `${actual} is not ${expected}`);

/** Outcomes of a judge that gets item i right as often as `rights[i]` of two orders. */
const outcomes = (rights: number[], clusterOf?: (i: number) => string): ItemOutcome[] =>
  rights.map((right, i) => ({
    id: String(i),
    ...(clusterOf === undefined ? {} : { cluster: clusterOf(i) }),
    accuracy: right / 2,
    consistent: right === 2 ? 1 : 0,
  }));

describe("McNemar's exact test", () => {
  it('has the values of the binomial distribution', () => {
    // 2 * (1 + 10 + 45) / 2^10, and so on.
    close(exactMcNemar(2, 8), 0.109375);
    close(exactMcNemar(0, 5), 0.0625);
    close(exactMcNemar(1, 9), 0.021484375);
    close(exactMcNemar(5, 5), 1);
    close(exactMcNemar(0, 0), 1);
  });

  it('agrees with sums of whole numbers, whichever judge comes first, also for thousands of items', () => {
    const choose = (n: bigint, k: bigint): bigint => {
      let result = 1n;
      for (let i = 0n; i < k; i++) result = (result * (n - i)) / (i + 1n);
      return result;
    };
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 300 }), fc.integer({ min: 0, max: 300 }), (a, b) => {
        let tail = 0n;
        for (let k = 0; k <= Math.min(a, b); k++) tail += choose(BigInt(a + b), BigInt(k));
        const scale = 10n ** 15n;
        const exact = Number((2n * tail * scale) / 2n ** BigInt(a + b)) / Number(scale);
        close(exactMcNemar(a, b), Math.min(1, exact), 1e-10);
        assert.equal(exactMcNemar(a, b), exactMcNemar(b, a));
      }),
      { numRuns: 50 },
    );
    const p = exactMcNemar(2000, 2200);
    assert(p > 0.0019 && p < 0.0022, String(p));
  });
});

describe('a comparison of two judges', () => {
  it('pairs their outcomes by item, independent of the order', () => {
    const before = outcomes([2, 1, 0, 2, 1]);
    const after = outcomes([2, 2, 1, 1, 2]);
    const found = compareJudges(before, after.toReversed(), 1);
    assert.equal(found.items, 5);
    close(found.accuracy.difference, (0 + 1 + 1 - 1 + 1) / 2 / 5);
    close(found.consistent.difference, 1 / 5);
    assert.deepEqual([found.mcNemar.onlyFirst, found.mcNemar.onlySecond], [1, 2]);
    assert.deepEqual(compareJudges(before, after, 1), found);
  });

  it('ignores items that only one judged, and rejects judges without a common item', () => {
    assert.equal(compareJudges(outcomes([2, 2]), outcomes([2]), 1).items, 1);
    assert.throws(() => compareJudges(outcomes([2]), [], 1), /no common item/);
  });

  it('of a judge with itself has no difference and an empty interval', () => {
    const same = outcomes([2, 1, 0, 2]);
    const { accuracy, mcNemar } = compareJudges(same, same, 1);
    assert.deepEqual(accuracy, { difference: 0, interval: { low: 0, high: 0 } });
    assert.equal(mcNemar.pValue, 1);
  });

  it('has an interval as wide as that of the mean of the differences', () => {
    // Half of the items improve by one order, a quarter loses one.
    const before = outcomes(Array.from({ length: 400 }, () => 1));
    const after = outcomes(Array.from({ length: 400 }, (_, i) => [2, 2, 0, 1][i % 4] ?? 0));
    const { accuracy } = compareJudges(before, after, 5);
    close(accuracy.difference, 0.125);
    const deviation = Math.sqrt((2 * 0.375 ** 2 + 0.625 ** 2 + 0.125 ** 2) / 4);
    close(accuracy.interval.low, 0.125 - (1.96 * deviation) / 20, 0.006);
    close(accuracy.interval.high, 0.125 + (1.96 * deviation) / 20, 0.006);
  });

  it('has a wider interval if items share a question', () => {
    const before = Array.from({ length: 200 }, () => 1);
    const after = Array.from({ length: 200 }, (_, i) => (Math.floor(i / 20) % 2 === 0 ? 2 : 1));
    const width = (clusterOf?: (i: number) => string) => {
      const { low, high } = compareJudges(outcomes(before, clusterOf), outcomes(after, clusterOf), 2).accuracy
        .interval;
      return high - low;
    };
    const question = (i: number) => `question ${Math.floor(i / 20)}`;
    assert(width(question) > 3 * width(), `${width(question)} against ${width()}`);
  });
});
