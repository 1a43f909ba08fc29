import assert from 'node:assert/strict';
import { correlationInterval, pearson, spearman } from '../../src/benchmarks/correlation.ts';
import { benchmarks } from '../support/benchmarks.ts';
import { figureNamed, fixture, judgeEachItem } from './fixture.ts';

const seed = { seed: 1 };
/** Pearson's correlation of (8, 9), (4, 4.5), (1, 1) and (7, 10), computed apart. */
const PEARSON = 0.9730089963541078;
const near = (found: number | null, expected: number) =>
  assert(found !== null && Math.abs(found - expected) < 1e-9, `${found} is not ${expected}`);

describe("a user's own responses", () => {
  it('that are correct or incorrect are scored by the share of right verdicts, and of each kind', async () => {
    const benchmark = benchmarks.verifications;
    const { items } = await benchmark.read(fixture('verifications.jsonl'));
    const verdicts = ['[[correct]]', '[[correct]]', 'Right. [[incorrect]]'];
    const judgments = judgeEachItem(benchmark, items, ({ id }) => verdicts[Number(id)] ?? '');
    const scores = benchmark.score(items, judgments, seed);
    near(scores.accuracy, 1 / 3);
    near(figureNamed(scores, 'accuracy'), 1 / 3);
    near(figureNamed(scores, 'correct responses accepted'), 1 / 2);
    near(figureNamed(scores, 'incorrect responses rejected'), 0);
    near(figureNamed(scores, 'balanced accuracy'), 1 / 4);
    assert.deepEqual(
      scores.subsets.map(({ name, accuracy }) => [name, accuracy]),
      [
        ['all', 0.5],
        ['numbers', 0],
      ],
    );
    assert(scores.official.figures.every(({ interval }) => interval !== undefined));
  });

  it('without a verdict are incorrect, whatever their label, and counted by reason; votes count by majority', async () => {
    const benchmark = benchmarks.verifications;
    const { items } = await benchmark.read(fixture('verifications.jsonl'));
    const votes = [['[[correct]]', '[[incorrect]]', '[[correct]]'], ['[[Incorrect]]'], []];
    const judgments = judgeEachItem(benchmark, items, ({ id }) => votes[Number(id)] ?? []);
    const scores = benchmark.score(items, judgments, seed);
    near(scores.accuracy, 1 / 3);
    assert.deepEqual(scores.withoutVerdict, { 'almost: [[Correct]]': 1 });
    assert.equal(scores.missingJudgments, 1);
  });

  it('of which one is best are shown so that the best takes every place, and scored by the right letters', async () => {
    const benchmark = benchmarks.rankings;
    const { items } = await benchmark.read(fixture('rankings.jsonl'));
    const [first, second] = items;
    assert(first && second);
    const shown = benchmark
      .requests(first)
      .map(({ values }) => [...(values['responses'] ?? '').matchAll(/^\d$/gm)].join(''));
    assert.deepEqual(shown, ['879', '798', '987']);
    assert.equal(benchmark.requests(second)[0]?.prompt, 'reference');
    const always = (letter: string) =>
      benchmark.score(
        items,
        judgeEachItem(benchmark, items, () => `[[${letter}]]`),
        seed,
      );
    for (const letter of ['A', 'B']) {
      near(figureNamed(always(letter), 'top-1 accuracy, all places'), (1 / 3 + 1 / 2) / 2);
      near(figureNamed(always(letter), 'correct in every place'), 0);
    }
    // The second item has no response C.
    near(figureNamed(always('C'), 'top-1 accuracy, all places'), 1 / 6);
    near(figureNamed(always('A'), 'by chance'), (1 / 3 + 1 / 2) / 2);
    assert.deepEqual([always('A').betterFirstAccuracy, always('A').worseFirstAccuracy], [1, 0]);
    const honest = judgeEachItem(benchmark, items, ({ responses, label }, slot) => {
      const place = (Number(label) - Number(slot.slice(-2)) + responses.length) % responses.length;
      return `[[${'ABC'[place]}]]`;
    });
    const scores = benchmark.score(items, honest, seed);
    assert.deepEqual([scores.accuracy, scores.positionConsistentAccuracy], [1, 1]);
    near(figureNamed(scores, 'top-1 accuracy, one place'), 1);
  });

  it('with scores are scored by agreement, mean error and correlation', async () => {
    const benchmark = benchmarks.scores;
    const { items } = await benchmark.read(fixture('scores.jsonl'));
    // The labels are 9, 4.5, 1 and 10; the means of the votes 8, 4, 1 and 7.
    const votes = [['[[7]]', '[[9]]', 'none'], ['[[4]]'], ['[[1]]'], ['[[7]]']];
    const judgments = judgeEachItem(benchmark, items, ({ id }) => votes[Number(id)] ?? []);
    const scores = benchmark.score(items, judgments, seed);
    near(scores.accuracy, 1 / 2);
    near(figureNamed(scores, 'agreement within one point'), 3 / 4);
    near(figureNamed(scores, 'mean error, in parts of the scale'), (1 + 0.5 + 0 + 3) / 4 / 9);
    near(figureNamed(scores, "Spearman's correlation"), 0.8);
    near(figureNamed(scores, "Pearson's correlation"), PEARSON);
    const interval = scores.official.figures.at(-1)?.interval;
    assert(interval && interval.low < PEARSON && PEARSON < interval.high);
  });

  it('without a score count as the score that is farthest from their label', async () => {
    const benchmark = benchmarks.scores;
    const { items } = await benchmark.read(fixture('scores.jsonl'));
    const scores = benchmark.score(
      items,
      judgeEachItem(benchmark, items, () => 'I cannot say. [[11]]'),
      seed,
    );
    near(figureNamed(scores, 'mean error, in parts of the scale'), (8 + 5.5 + 9 + 9) / 4 / 9);
    near(figureNamed(scores, 'agreement within one point'), 0);
    assert((figureNamed(scores, "Spearman's correlation") ?? 0) < 0);
    assert.deepEqual([scores.unparsable, scores.withoutVerdict], [1, { 'a verdict that is no choice': 4 }]);
  });

  it('whose scores never vary have no correlation', async () => {
    const benchmark = benchmarks.scores;
    const { items } = await benchmark.read(fixture('scores.jsonl'));
    const judgments = judgeEachItem(benchmark, items, () => '[[5]]');
    assert.equal(figureNamed(benchmark.score(items, judgments, seed), "Pearson's correlation"), null);
  });

  it('are refused without labels, naming the rows and the field', async () => {
    for (const [format, field] of [
      ['scores', 'score'],
      ['verifications', 'correct'],
    ] as const)
      await assert.rejects(
        benchmarks[format].read(fixture('without-label.jsonl')),
        new RegExp(`without-label.jsonl: 1 row can't be used .*\\n  row 0: no field "${field}"`),
      );
  });
});

describe('a correlation', () => {
  it('takes equal values as sharing their rank', () => {
    near(
      spearman([
        [1, 1],
        [2, 3],
        [2, 2],
        [4, 4],
      ]),
      0.9486832980505138,
    );
    near(
      pearson([
        [1, 2],
        [2, 4],
        [3, 6],
      ]),
      1,
    );
    near(
      spearman([
        [1, 9],
        [2, 5],
        [3, 1],
      ]),
      -1,
    );
    assert.equal(
      spearman([
        [1, 1],
        [1, 2],
      ]),
      null,
    );
  });

  it("has Fisher's interval, and none for fewer than four independent items", () => {
    const interval = correlationInterval(0.5, 28, 'pearson');
    assert(interval);
    near(interval.low, Math.tanh(Math.atanh(0.5) - 1.959963984540054 / 5));
    near(interval.high, Math.tanh(Math.atanh(0.5) + 1.959963984540054 / 5));
    assert(correlationInterval(0.5, 28, 'spearman')!.low < interval.low);
    assert(correlationInterval(1, 28, 'pearson')!.high <= 1);
    assert.equal(correlationInterval(0.5, 3, 'pearson'), undefined);
  });
});
