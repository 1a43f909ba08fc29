import assert from 'node:assert/strict';
import { judgeAgreement, type Label, type LabelledVerdict } from '../../src/benchmarks/judge-agreement.ts';
import type { Verdict } from '../../src/method/verdict.ts';

const close = (actual: number | null | undefined, expected: number) =>
  assert(typeof actual === 'number' && Math.abs(actual - expected) < 1e-12, `${actual} is not ${expected}`);

const RATERS = ['anna', 'ben', 'chris'];
/** The labels of three people on eight pairs, and the judge's verdicts. */
const PEOPLE = ['A A A', 'A B A', 'B B B', 'B B tie', 'tie tie A', 'A A A', 'B A B', 'A A B'];
const JUDGE: Verdict[] = ['A', 'A', 'B', 'B', 'A', 'A', 'B', 'tie'];

const pairs = PEOPLE.map((row, i): LabelledVerdict => ({
  id: `pair ${i}`,
  cluster: String(i),
  category: i < 4 ? 'first' : 'second',
  verdict: JUDGE[i] ?? 'none',
  confidence: 1,
  labels: Object.fromEntries(row.split(' ').map((label, rater) => [RATERS[rater] ?? '', label as Label])),
}));

describe('the agreement of a judge with people', () => {
  it('has the kappas of scikit-learn and statsmodels, for each rater and between them', () => {
    const found = judgeAgreement(pairs, 10);
    // scikit-learn 1.9.1, cohen_kappa_score of the judge with each rater.
    assert.deepEqual(
      found.raters.map(({ rater }) => rater),
      RATERS,
    );
    for (const [i, expected] of [0.5789473684210527, 0.1578947368421053, 0.5789473684210527].entries())
      close(found.raters[i]?.kappa, expected);
    // statsmodels 0.15.0, fleiss_kappa(aggregate_raters(...)).
    close(found.betweenPeople?.kappa, 0.2982456140350876);
    close(found.betweenPeopleAndJudge?.kappa, 0.3684210526315789);
  });

  it('is with the label that most give, and leaves out pairs without one', () => {
    const found = judgeAgreement(pairs, 10);
    assert.deepEqual([found.pairs, found.withoutMajority], [8, 0]);
    // The majorities are A A B B tie A B A: six of eight verdicts agree.
    close(found.judge?.agreement, 6 / 8);
    const split = judgeAgreement([{ ...pairs[0]!, labels: { anna: 'A', ben: 'B' } }, ...pairs.slice(1)], 10);
    assert.deepEqual([split.pairs, split.withoutMajority, split.judge?.items], [8, 1, 7]);
  });

  it('is by category, and each rater is compared with the others as the judge is', () => {
    const { categories, raters } = judgeAgreement(pairs, 10);
    assert.deepEqual(
      categories.map(({ name, items, agreement }) => [name, items, agreement]),
      [
        ['first', 4, 1],
        ['second', 4, 0.5],
      ],
    );
    const [anna] = raters;
    // Ben and Chris give the same label to three pairs, and Anna and the judge give it, too.
    assert.deepEqual([anna?.withOthers?.items, anna?.judgeWithOthers?.items], [3, 3]);
    assert.deepEqual([anna?.withOthers?.agreement, anna?.judgeWithOthers?.agreement], [1, 1]);
  });

  it('lists the pairs to look at first: a decided judge against people who agree with each other', () => {
    const pair = (id: string, verdict: Verdict, confidence: number, labels: Label[]): LabelledVerdict => ({
      id,
      cluster: id,
      verdict,
      confidence,
      labels: Object.fromEntries(labels.map((label, rater) => [String(rater), label])),
    });
    const { disagreements } = judgeAgreement(
      [
        pair('no verdict', 'none', 0, ['A', 'A', 'A']),
        pair('agrees', 'A', 1, ['A', 'A', 'A']),
        pair('split people', 'A', 1, ['B', 'B', 'A']),
        pair('clear', 'A', 1, ['B', 'B', 'B']),
        pair('split judge', 'A', 0.5, ['B', 'B', 'B']),
        pair('one label', 'A', 1, ['B']),
      ],
      4,
    );
    assert.deepEqual(
      disagreements.map(({ id }) => id),
      ['clear', 'one label', 'split people', 'split judge'],
    );
    assert.deepEqual(disagreements[0], {
      id: 'clear',
      verdict: 'A',
      label: 'B',
      unanimity: 1,
      confidence: 1,
    });
  });

  it('is with the only rater, too, and says nothing without labels', () => {
    const one = judgeAgreement(
      pairs.map((pair) => ({ ...pair, labels: { anna: pair.labels['anna'] ?? 'A' } })),
      0,
    );
    assert.deepEqual([one.raters.length, one.betweenPeople, one.disagreements], [1, null, []]);
    assert.equal(one.judge?.kappa, one.raters[0]?.kappa);
    const none = judgeAgreement(
      pairs.map((pair) => ({ ...pair, labels: {} })),
      5,
    );
    assert.deepEqual([none.pairs, none.judge, none.raters], [0, null, []]);
  });
});
