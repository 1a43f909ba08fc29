import assert from 'node:assert/strict';
import { stableHash } from '../../src/platform/stable-hash.ts';
import { samplingSeed, shuffledById } from '../../src/method/seeds.ts';
import { assertUniform } from './uniform.ts';

describe('stableHash', () => {
  it('differs for parts whose concatenations are equal', () => {
    assert.notEqual(stableHash('a', 'bc'), stableHash('ab', 'c'));
    assert.notEqual(stableHash('a', ''), stableHash('a'));
    assert.notEqual(stableHash('1:a;'), stableHash('a'));
  });
});

describe('samplingSeed', () => {
  it('depends on all its parts and leaves room for the samples of an example below 2^31', () => {
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

  it('gives the same order for a seed and a purpose, independent of the order of arrival', () => {
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
