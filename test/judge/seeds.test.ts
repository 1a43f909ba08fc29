import assert from 'node:assert/strict';
import { hashOf, samplingSeed, shuffledById } from '../../src/judge/seeds.ts';
import { assertUniform } from './uniform.ts';

describe('hashOf', () => {
  it('tells apart parts that read the same when they are joined', () => {
    assert.notEqual(hashOf('a', 'bc'), hashOf('ab', 'c'));
    assert.notEqual(hashOf('a', ''), hashOf('a'));
    assert.notEqual(hashOf('1:a;'), hashOf('a'));
  });
});

describe('samplingSeed', () => {
  it('follows from all of its parts and leaves room for the samples of an example below 2^31', () => {
    const seeds = Array.from({ length: 1000 }, (_, example) =>
      samplingSeed(42, 'judge', 1, `pair-${example}`),
    );
    assert.equal(new Set(seeds).size, 1000);
    for (const seed of seeds) assert(Number.isInteger(seed) && seed >= 0 && seed + 1024 < 2 ** 31);
    assert.equal(samplingSeed(42, 'judge', 1, 'pair-0'), seeds[0]);
    assert.notEqual(samplingSeed(43, 'judge', 1, 'pair-0'), seeds[0]);
    assert.notEqual(samplingSeed(42, 'judge', 2, 'pair-0'), seeds[0]);
  });
});

describe('shuffledById', () => {
  const shuffled = (items: readonly string[], seed: number, purpose = 'test') =>
    shuffledById(items, seed, purpose, (item) => item).join('');

  it('gives one order for a seed and a purpose, however the items arrived', () => {
    const wanted = shuffled(['a', 'b', 'c', 'd', 'e'], 5);
    assert.equal(shuffled(['e', 'c', 'a', 'd', 'b'], 5), wanted);
    const others = Array.from({ length: 10 }, (_, index) =>
      shuffled(['a', 'b', 'c', 'd', 'e'], 5, `other ${index}`),
    );
    assert(others.some((other) => other !== wanted));
  });

  it('gives every order equally often across seeds', () => {
    const orders = Array.from({ length: 6000 }, (_, seed) => shuffled(['a', 'b', 'c'], seed));
    assertUniform(orders, ['abc', 'acb', 'bac', 'bca', 'cab', 'cba']);
  });
});
