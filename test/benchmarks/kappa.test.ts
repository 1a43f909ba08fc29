import assert from 'node:assert/strict';
import { cohensKappa, fleissKappa } from '../../src/benchmarks/kappa.ts';
import { randomNumbers } from '../../src/benchmarks/bootstrap.ts';

const close = (actual: number | null | undefined, expected: number) =>
  assert(typeof actual === 'number' && Math.abs(actual - expected) < 1e-12, `${actual} is not ${expected}`);

const words = (text: string) => text.split(' ');
/** Two raters' labels of items, each of which is a cluster of its own. */
const two = (first: string[], second: string[]) =>
  first.map((label, i) => ({ cluster: String(i), first: label, second: second[i] ?? '' }));
const several = (items: string[][]) => items.map((labels, i) => ({ cluster: String(i), labels }));

describe("Cohen's kappa", () => {
  it('has the values of scikit-learn 1.9.1, cohen_kappa_score', () => {
    const people = words('A A B B tie A B A B B A tie A B A A B B A B');
    const judge = words('A A B A tie A B B B B A A none B A tie B B A B');
    const found = cohensKappa(two(people, judge));
    close(found?.kappa, 0.5884773662551441);
    close(found?.agreement, 0.75);
    close(cohensKappa(two('AABBABAABB'.split(''), 'AABAABBABB'.split('')))?.kappa, 0.6);
  });

  it('is unknown if all labels are the same, and absent without items', () => {
    const same = cohensKappa(two(['A', 'A'], ['A', 'A']));
    assert.deepEqual([same?.agreement, same?.kappa, same?.kappaInterval], [1, null, null]);
    assert.equal(cohensKappa([]), undefined);
  });

  it('has an interval that contains the true kappa in about 95 of 100 samples, for few items and near 1', () => {
    const random = randomNumbers(5);
    const repetitions = 2000;
    for (const [items, accuracy] of [
      [40, 0.8],
      [200, 0.8],
      [60, 0.97],
      [200, 0.6],
    ] as const) {
      // Labels A and B are equally frequent, so half of the agreement is by chance.
      const truth = 2 * accuracy - 1;
      let covered = 0;
      for (let repetition = 0; repetition < repetitions; repetition++) {
        const people = Array.from({ length: items }, () => (random() < 0.5 ? 'A' : 'B'));
        const judge = people.map((label) => (random() < accuracy ? label : label === 'A' ? 'B' : 'A'));
        const { low, high } = cohensKappa(two(people, judge))?.kappaInterval ?? { low: 2, high: 2 };
        if (low <= truth && truth <= high) covered += 1;
      }
      const coverage = covered / repetitions;
      assert(coverage > 0.93 && coverage < 0.985, `${items} items, accuracy ${accuracy}: ${100 * coverage}%`);
    }
  });
});

describe("Fleiss' kappa", () => {
  it('has the value of the published example', () => {
    // 14 raters of 10 subjects, five categories: the usual example, 0.210 (statsmodels 0.15.0: fleiss_kappa).
    const counts = [
      [0, 0, 0, 0, 14],
      [0, 2, 6, 4, 2],
      [0, 0, 3, 5, 6],
      [0, 3, 9, 2, 0],
      [2, 2, 8, 1, 1],
      [7, 7, 0, 0, 0],
      [3, 2, 6, 3, 0],
      [2, 5, 3, 2, 2],
      [6, 5, 2, 1, 0],
      [0, 2, 2, 3, 7],
    ];
    const items = counts.map((row) =>
      row.flatMap((count, category) => Array.from({ length: count }, () => String(category))),
    );
    close(fleissKappa(several(items))?.kappa, 0.20993070442195522);
  });

  it('has the values of statsmodels 0.15.0 for three raters, also with the judge as the fourth', () => {
    const people = [
      words('A A A'),
      words('A B A'),
      words('B B B'),
      words('B B tie'),
      words('tie tie A'),
      words('A A A'),
      words('B A B'),
      words('A A B'),
    ];
    const judge = words('A A B B A A B tie');
    close(fleissKappa(several(people))?.kappa, 0.2982456140350876);
    close(
      fleissKappa(several(people.map((labels, i) => [...labels, judge[i] ?? ''])))?.kappa,
      0.3684210526315789,
    );
  });

  it('leaves out items with one label', () => {
    const found = fleissKappa(several([['A', 'A'], ['B'], ['B', 'B'], []]));
    assert.deepEqual([found?.items, found?.kappa], [2, 1]);
    assert.equal(fleissKappa(several([['A']])), undefined);
  });

  it('has no bound below -1', () => {
    const found = fleissKappa(several([words('A B'), words('A A B')]));
    assert(found?.kappa !== null && found?.kappaInterval?.low === -1, JSON.stringify(found));
  });
});
