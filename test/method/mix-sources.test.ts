import assert from 'node:assert/strict';
import { balanceInSources, mixSources, type KeptJudgment } from '../../src/method/mix-sources.ts';
import type { Side } from '../../src/method/verdict.ts';
import { assertUniform } from './uniform.ts';

const of = (source: string, side: Side, count: number): KeptJudgment[] =>
  Array.from({ length: count }, (_, index) => ({ id: `${source}-${side}${index}`, side, source }));
const sizes = (kept: readonly KeptJudgment[]) =>
  Object.fromEntries(
    [...Map.groupBy(kept, ({ source }) => source)].map(([source, all]) => [source, all.length]),
  );

describe('mixing sources', () => {
  const kept = [
    ...of('made', 'A', 30),
    ...of('human', 'A', 10),
    ...of('made', 'B', 30),
    ...of('human', 'B', 10),
  ];
  const mix = (weights: Record<string, number>, all = kept, seed = 1) =>
    mixSources(all, new Map(Object.entries(weights)), seed);

  it('makes the largest set in which the sources have the proportions of their weights', () => {
    assert.deepEqual(sizes(mix({ made: 1, human: 1 })), { made: 20, human: 20 });
    assert.deepEqual(sizes(mix({ made: 3, human: 1 })), { made: 60, human: 20 });
    assert.deepEqual(sizes(mix({ made: 1, human: 0.1 })), { made: 60, human: 6 });
    assert.deepEqual(sizes(mix({ made: 0.5, human: 2 })), { made: 4, human: 20 });
    // 180 x 0.7 is a hair below 126 in binary.
    const many = ['made', 'human'].flatMap((source) => [...of(source, 'A', 90), ...of(source, 'B', 90)]);
    assert.deepEqual(sizes(mix({ made: 1, human: 0.7 }, many)), { made: 180, human: 126 });
  });

  it('leaves out a source with weight 0, and is empty if a source with a weight is empty', () => {
    assert.deepEqual(sizes(mix({ made: 0, human: 1 })), { human: 20 });
    assert.deepEqual(mix({ made: 1, missing: 1 }), []);
  });

  it('keeps balanced sides balanced, and the order of the judgments', () => {
    for (const human of [0.1, 0.13, 0.5, 0.77]) {
      const mixed = mix({ made: 1, human });
      assert.equal(mixed.filter(({ side }) => side === 'A').length * 2, mixed.length);
      assert.deepEqual(
        mixed,
        kept.filter((one) => mixed.includes(one)),
      );
    }
  });

  it('draws each judgment of a source equally often across seeds', () => {
    const drawn = Array.from({ length: 2000 }, (_, seed) => mix({ made: 1, human: 0.1 }, kept, seed)).flat();
    const human = drawn.filter(({ source, side }) => source === 'human' && side === 'A').map(({ id }) => id);
    assertUniform(
      human,
      of('human', 'A', 10).map(({ id }) => id),
    );
  });

  it('balances each source separately', () => {
    const lopsided = [
      ...of('made', 'A', 9),
      ...of('made', 'B', 4),
      ...of('human', 'A', 1),
      ...of('human', 'B', 6),
    ];
    assert.deepEqual(sizes(balanceInSources(lopsided, 1)), { made: 8, human: 2 });
  });
});
