import assert from 'node:assert/strict';
import { preferencePairs, type ContestedExample } from '../../src/method/preference-pairs.ts';

const ids = (name: string, count: number) => Array.from({ length: count }, (_, index) => `${name}${index}`);

/** `example-0` to `example-29`: two thirds answer A; some have nothing right, some nothing wrong. */
const examples: ContestedExample[] = Array.from({ length: 30 }, (_, index) => ({
  id: `example-${index}`,
  side: index % 3 === 0 ? 'B' : 'A',
  correct: ids(`example-${index} correct `, index % 5),
  incorrect: ids(`example-${index} incorrect `, (index + 2) % 4),
}));
const contested = examples.filter(({ correct, incorrect }) => correct.length * incorrect.length > 0);
const options = { pairsPerExample: 3, balance: false, seed: 1 };

describe('preference pairs', () => {
  it('combine a correct and an incorrect judgment of an example, and leave out examples that lack either', () => {
    const pairs = preferencePairs(examples, options);
    for (const { exampleId, chosen, rejected } of pairs) {
      const example = examples.find(({ id }) => id === exampleId);
      assert(example?.correct.includes(chosen) && example.incorrect.includes(rejected), exampleId);
    }
    assert.deepEqual(
      [...new Set(pairs.map(({ exampleId }) => exampleId))],
      contested.map(({ id }) => id),
    );
  });

  it('are at most the requested number for each example, without duplicates', () => {
    const pairs = preferencePairs(examples, options);
    for (const { id, correct, incorrect } of contested) {
      const own = pairs.filter(({ exampleId }) => exampleId === id);
      assert.equal(own.length, Math.min(3, correct.length * incorrect.length), id);
      assert.equal(new Set(own.map(({ chosen, rejected }) => `${chosen}|${rejected}`)).size, own.length);
    }
  });

  it('come from the same number of examples with verdict A as with verdict B', () => {
    const pairs = preferencePairs(examples, { ...options, balance: true });
    const sides = [...new Set(pairs.map(({ exampleId }) => exampleId))].map(
      (id) => examples.find((example) => example.id === id)?.side,
    );
    const ofB = contested.filter(({ side }) => side === 'B').length;
    assert(ofB > 0 && ofB < contested.length / 2);
    assert.equal(sides.filter((side) => side === 'B').length, ofB);
    assert.equal(sides.length, 2 * ofB);
  });

  it('depend on seed and ids, not on the order of the examples; another seed draws others', () => {
    const drawn = (from: readonly ContestedExample[], seed = 1) =>
      preferencePairs(from, { pairsPerExample: 1, balance: true, seed })
        .map(({ chosen, rejected }) => `${chosen}|${rejected}`)
        .sort();
    const shuffled = examples
      .map((example) => ({
        ...example,
        correct: example.correct.toReversed(),
        incorrect: example.incorrect.toReversed(),
      }))
      .toReversed();
    assert.deepEqual(drawn(shuffled), drawn(examples));
    assert.notDeepEqual(drawn(examples, 2), drawn(examples));
  });

  it('draw every combination about equally often across seeds', () => {
    const one: ContestedExample[] = [{ id: 'x', side: 'A', correct: ids('r', 3), incorrect: ids('w', 2) }];
    const drawn = ids('', 1200).flatMap((seed) =>
      preferencePairs(one, { pairsPerExample: 1, balance: false, seed: Number(seed) }),
    );
    const counts = Object.values(Object.groupBy(drawn, ({ chosen, rejected }) => `${chosen}|${rejected}`));
    assert.equal(counts.length, 6);
    // 200 expected with a deviation of 13.
    for (const group of counts) assert((group?.length ?? 0) > 135 && (group?.length ?? 0) < 265);
  });
});
