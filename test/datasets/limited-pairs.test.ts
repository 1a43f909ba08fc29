import assert from 'node:assert/strict';
import { limitedPairs, type LengthLimits } from '../../src/datasets/limited-pairs.ts';

const words = (count: number) => Array.from({ length: count }, (_, index) => `w${index},`).join(' ');
const limits: LengthLimits = { share: 1, minDifference: 10, slack: 10, margin: 0.2 };
const template = { user: 'At most {limit} words.\n\n{instruction}' };
const pairOf = (better: number, worse: number, id = 'p') => ({
  ...{ id, instruction: 'Say it.', better: words(better), worse: words(worse) },
});
const made = (better: number, worse: number, changes: Partial<LengthLimits> = {}, id = 'p') =>
  limitedPairs(pairOf(better, worse, id), { ...limits, ...changes }, template, 1);
const limitOf = ({ instruction }: { readonly instruction: string }) => Number(/\d+/.exec(instruction)?.[0]);

describe('pairs with a limit of length', () => {
  it('have a limit that both responses keep, and one between them that only the shorter keeps, which is then the better', () => {
    const [within, beyond] = made(50, 20);
    assert.equal(within?.instruction, 'At most 60 words.\n\nSay it.');
    assert.deepEqual([within?.better, within?.worse], [words(50), words(20)]);
    assert.deepEqual([beyond?.better, beyond?.worse], [words(20), words(50)]);
    assert.deepEqual([within?.id, beyond?.id, within?.subset], ['p-within-limit', 'p-beyond-limit', 'limit']);
  });

  it('keep the better response if it is the shorter one', () => {
    for (const pair of made(20, 50)) assert.deepEqual([pair.better, pair.worse], [words(20), words(50)]);
  });

  it('have limits that are away from both lengths, and differ', () => {
    const drawn = Array.from({ length: 300 }, (_, index) => limitOf(made(50, 20, {}, `p${index}`)[1]!));
    assert.deepEqual([Math.min(...drawn), Math.max(...drawn)], [26, 44]);
    assert.equal(new Set(drawn).size, 19);
    const again = Array.from({ length: 300 }, (_, index) => limitOf(made(50, 20, {}, `p${index}`)[1]!));
    assert.deepEqual(again, drawn);
  });

  it('are made of a share of the pairs, and of none whose lengths are near each other', () => {
    const count = (changes: Partial<LengthLimits>) =>
      Array.from({ length: 1000 }, (_, index) => made(50, 20, changes, `p${index}`).length);
    const share = count({ share: 0.25 });
    assert(share.every((length) => length === 0 || length === 2));
    const chosen = share.filter((length) => length === 2).length;
    assert(chosen > 200 && chosen < 300, `${chosen}`);
    assert.deepEqual(new Set(count({ share: 0 })), new Set([0]));
    assert.equal(made(29, 20).length, 0);
    assert.equal(made(30, 20).length, 2);
    assert.equal(made(30, 20, { margin: 0.5 }).length, 2);
    assert.equal(made(21, 20, { minDifference: 1 }).length, 0, 'no whole number is between them');
  });
});
