import assert from 'node:assert/strict';
import type { ItemOutcome } from '../../src/benchmarks/benchmark.ts';
import { compareJudges } from '../../src/benchmarks/compare-judges.ts';
import { randomNumbers } from '../../src/benchmarks/bootstrap.ts';

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

describe('a comparison of two judges', () => {
  it('pairs their outcomes by item, independent of the order', () => {
    const before = outcomes([2, 1, 0, 2, 1]);
    const after = outcomes([2, 2, 1, 1, 2]);
    const found = compareJudges(before, after.toReversed(), 1);
    assert.equal(found.items, 5);
    close(found.accuracy.difference, (0 + 1 + 1 - 1 + 1) / 2 / 5);
    close(found.consistent.difference, 1 / 5);
    // 2 against 1 of three: both tails of the binomial distribution are everything.
    assert.deepEqual(found.mcNemar, { onlyFirst: 1, onlySecond: 2, clusters: 5, pValue: 1 });
    assert.deepEqual(compareJudges(before, after, 1), found);
  });

  it('ignores items that only one judged, and rejects judges without a common item', () => {
    assert.equal(compareJudges(outcomes([2, 2]), outcomes([2]), 1).items, 1);
    assert.throws(() => compareJudges(outcomes([2]), [], 1), /no common item/);
  });

  it('of a judge with itself has no difference, and an interval that says how little few items show', () => {
    const width = (items: number) => {
      const same = outcomes(Array.from({ length: items }, (_, i) => i % 3));
      const { accuracy, mcNemar } = compareJudges(same, same, 1);
      assert.equal(accuracy.difference, 0);
      assert.equal(mcNemar.pValue, 1);
      assert(accuracy.interval.low < 0 && accuracy.interval.high > 0);
      return accuracy.interval.high - accuracy.interval.low;
    };
    assert(width(10) > 0.3 && width(1000) < 0.01);
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

  it('has intervals that contain the true difference in about 95 of 100 samples, for few items, near 100% and in questions', () => {
    const random = randomNumbers(8);
    const repetitions = 400;
    for (const [questions, items, first, second, alike] of [
      [28, 1, 0.9, 0.95, 0],
      [28, 1, 0.97, 0.97, 0],
      [80, 1, 0.75, 0.85, 0],
      [60, 6, 0.8, 0.8, 0.4],
    ] as const) {
      let covered = 0;
      for (let repetition = 0; repetition < repetitions; repetition++) {
        const before: number[] = [];
        const after: number[] = [];
        for (let question = 0; question < questions; question++) {
          const draw = (share: number, list: number[]) => {
            const shared = random() < alike ? Number(random() < share) : undefined;
            for (let item = 0; item < items; item++) list.push(2 * (shared ?? Number(random() < share)));
          };
          draw(first, before);
          draw(second, after);
        }
        const clusterOf = (i: number) => String(Math.floor(i / items));
        const { interval } = compareJudges(
          outcomes(before, clusterOf),
          outcomes(after, clusterOf),
          repetition,
        ).accuracy;
        const difference = second - first;
        if (interval.low <= difference && difference <= interval.high) covered += 1;
      }
      const coverage = covered / repetitions;
      assert(
        coverage > 0.915,
        `${questions} questions of ${items}, ${first} and ${second}: ${100 * coverage}%`,
      );
    }
  });

  it('tests questions, not items, if items share them', () => {
    // All six items of the one question on which they differ.
    const before = outcomes([2, 2, 2, 2, 2, 2, 0, 0, 2, 2], (i) => String(Math.max(0, i - 5)));
    const after = outcomes([0, 0, 0, 0, 0, 0, 0, 0, 2, 2], (i) => String(Math.max(0, i - 5)));
    const { mcNemar } = compareJudges(before, after, 1);
    assert.deepEqual(mcNemar, { onlyFirst: 6, onlySecond: 0, clusters: 5, pValue: 1 });
  });
});
