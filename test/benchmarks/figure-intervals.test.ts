import assert from 'node:assert/strict';
import { withIntervals } from '../../src/benchmarks/figure-intervals.ts';
import { benchmarks } from '../support/benchmarks.ts';
import { judgeEachItem, pairsOf } from './fixture.ts';
import { randomNumbers } from '../../src/benchmarks/bootstrap.ts';

interface Result {
  readonly stratum: string;
  readonly cluster: string;
  readonly value: number;
}

const resampling = {
  clusterOf: ({ cluster }: Result) => cluster,
  stratumOf: ({ stratum }: Result) => stratum,
  answers: 1,
};

/** The mean of the means of the strata, as the totals of many benchmarks. */
function figuresOf(results: readonly Result[]) {
  const strata = [...Map.groupBy(results, ({ stratum }) => stratum)].map(([name, all]) => ({
    name,
    value: all.reduce((sum, { value }) => sum + value, 0) / all.length,
  }));
  const total = strata.reduce((sum, { value }) => sum + value, 0) / strata.length;
  return [{ name: 'total', value: strata.length === 0 ? null : total }, ...strata];
}

describe('the interval of a published figure', () => {
  it('contains the true total in about 95 of 100 samples, for strata of different size and near 100%', function () {
    this.timeout(60_000);
    const random = randomNumbers(12);
    const repetitions = 300;
    for (const [shares, questions, items] of [
      [[0.97, 0.9], [28, 60], 1],
      [[0.75, 0.85, 0.6], [20, 30, 15], 2],
    ] as const) {
      const truth = shares.reduce((sum, share) => sum + share, 0) / shares.length;
      let covered = 0;
      for (let repetition = 0; repetition < repetitions; repetition++) {
        const results = shares.flatMap((share, stratum) =>
          Array.from({ length: questions[stratum] ?? 0 }, (_, question) => {
            // The items of half of the questions are all correct or all incorrect.
            const shared = random() < 0.5 ? Number(random() < share) : undefined;
            return Array.from({ length: items }, () => ({
              stratum: `stratum ${stratum}`,
              cluster: `${stratum}/${question}`,
              value: shared ?? Number(random() < share),
            }));
          }).flat(),
        );
        const [total] = withIntervals(results, resampling, figuresOf, repetition);
        assert(total?.interval !== undefined);
        if (total.interval.low <= truth && truth <= total.interval.high) covered += 1;
      }
      const coverage = covered / repetitions;
      assert(coverage > 0.9 && coverage < 0.995, `${shares.join(', ')}: ${100 * coverage}%`);
    }
  });

  it('is not empty at 100%, and the wider the fewer questions there are', () => {
    const perfect = (questions: number) =>
      Array.from({ length: questions }, (_, i) => ({ stratum: 'one', cluster: String(i), value: 1 }));
    const lowest = (questions: number) =>
      withIntervals(perfect(questions), resampling, figuresOf, 1)[0]?.interval?.low ?? -1;
    // Wilson's interval of 28 of 28; statsmodels 0.15.0.
    assert(Math.abs(lowest(28) - 0.8793566952341542) < 1e-9);
    assert(lowest(5) < 0.6 && lowest(400) > 0.98);
  });

  it('has the variance within the strata, because every draw has as much of each', () => {
    // 40 questions each at 1, 0.5 and 0: only those of the second vary, so the mean has a variance of 0.25 / 40 / 9.
    const results = Array.from({ length: 120 }, (_, i) => ({
      stratum: String(i % 3),
      cluster: String(i),
      value: i % 3 === 1 ? i % 2 : i % 3 === 0 ? 1 : 0,
    }));
    const pooled = (drawn: readonly Result[]) => [
      { name: 'mean', value: drawn.reduce((sum, { value }) => sum + value, 0) / drawn.length },
    ];
    const [mean] = withIntervals(results, { ...resampling, answers: 10 }, pooled, 1);
    const { low = 0, high = 0 } = mean?.interval ?? {};
    // 1.96 * sqrt(0.25 / 40 / 9) is 0.0517; without strata it would be 0.089.
    assert(Math.abs((high - low) / 2 - 0.0517) < 0.006, `${low} to ${high}`);
  });

  it('exists for all figures of the benchmarks that have a value, and contains it', () => {
    const random = randomNumbers(3);
    const items = pairsOf(60, 'mmlu-pro-law');
    for (const format of [
      'reward-bench',
      'judge-bench',
      'llmbar-pairwise',
      'ppe-preference',
      'pairs',
    ] as const) {
      const benchmark = benchmarks[format];
      const [a, b] = format === 'judge-bench' ? ['[[A>B]]', '[[B>A]]'] : ['[[A]]', '[[B]]'];
      const judgments = judgeEachItem(benchmark, items, (_, slot) =>
        random() < 0.8 === (slot === 'better-first') ? a : b,
      );
      const { official, accuracy, accuracyInterval } = benchmark.score(items, judgments, { seed: 1 });
      assert(accuracyInterval.low < accuracy && accuracy < accuracyInterval.high);
      for (const { name, value, interval } of official.figures) {
        assert.equal(interval === undefined, value === null, name);
        if (interval === undefined || value === null) continue;
        assert(
          interval.low <= value && value <= interval.high,
          `${format}, ${name}: ${JSON.stringify(interval)}`,
        );
        assert(interval.high - interval.low < 0.4, name);
      }
    }
  });

  it('is the same for the same seed', () => {
    const items = pairsOf(40, 'donotanswer');
    const benchmark = benchmarks['reward-bench'];
    const judgments = judgeEachItem(benchmark, items, ({ id }) => (Number(id) % 3 === 0 ? '[[B]]' : '[[A]]'));
    const figures = (seed: number) => benchmark.score(items, judgments, { seed }).official.figures;
    assert.deepEqual(figures(1), figures(1));
    assert.notDeepEqual(figures(1), figures(2));
  });
});
