import assert from 'node:assert/strict';
import { balanceSides } from '../../src/method/balance.ts';
import { shuffledById } from '../../src/method/seeds.ts';
import type { Side } from '../../src/method/verdict.ts';
import { assertUniform } from './uniform.ts';

const examples = (side: Side, count: number) =>
  Array.from({ length: count }, (_, index) => ({ id: `${side}${index}`, side }));
const idsOf = (all: readonly { id: string }[]) => all.map(({ id }) => id);

describe('balancing', () => {
  it('keeps as many examples for A as for B, including all of the rarer side, in their order', () => {
    const all = [
      ...examples('A', 3),
      ...examples('B', 10),
      ...examples('A', 2).map(({ side }, index) => ({ id: `later${index}`, side })),
    ];
    const balanced = balanceSides(all, 7);
    assert.equal(balanced.filter(({ side }) => side === 'A').length, 5);
    assert.equal(balanced.filter(({ side }) => side === 'B').length, 5);
    assert.deepEqual(
      balanced,
      all.filter((example) => balanced.includes(example)),
    );
  });

  it('drops each example of the larger side equally often across seeds', () => {
    const all = [...examples('A', 2), ...examples('B', 5)];
    const kept = Array.from({ length: 2000 }, (_, seed) =>
      idsOf(balanceSides(all, seed)).filter((id) => id.startsWith('B')),
    );
    assertUniform(kept.flat(), ['B0', 'B1', 'B2', 'B3', 'B4']);
  });

  it('keeps the same examples independent of the order of arrival', () => {
    const all = [...examples('A', 4), ...examples('B', 9)];
    const wanted = idsOf(balanceSides(all, 3)).sort();
    for (let seed = 0; seed < 20; seed += 1) {
      const arrived = shuffledById(all, seed, 'test', ({ id }) => id);
      assert.deepEqual(idsOf(balanceSides(arrived, 3)).sort(), wanted);
    }
  });

  it('keeps nothing if one side is missing', () => {
    assert.deepEqual(balanceSides(examples('A', 3), 1), []);
  });
});
