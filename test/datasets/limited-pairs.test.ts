import assert from 'node:assert/strict';
import { isLimited, limitedPairs, type Limit } from '../../src/datasets/limited-pairs.ts';

const words = (count: number) => Array.from({ length: count }, (_, index) => `w${index},`).join(' ');
type Length = Extract<Limit, { kind: 'words' }>;
const length: Length = { kind: 'words', minDifference: 10, slack: 10, margin: 0.2 };
const template = { user: 'Limit: {limit}.\n\n{instruction}' };
const pairOf = (better: number, worse: number, id = 'p') => ({
  ...{ id, instruction: 'Say it.', better: words(better), worse: words(worse) },
});
const made = (better: number, worse: number, changes: Partial<Length> = {}, id = 'p', share = 1) =>
  limitedPairs(pairOf(better, worse, id), { ...length, ...changes }, { share, template, seed: 1 });
const withKind = (
  kind: Exclude<Limit['kind'], 'words'>,
  instruction: string,
  better: string,
  worse: string,
) => limitedPairs({ id: 'p', instruction, better, worse }, { kind }, { share: 1, template, seed: 1 });
const limitOf = ({ instruction }: { readonly instruction: string }) => Number(/\d+/.exec(instruction)?.[0]);

describe('pairs with a limit of length', () => {
  it('have a limit that both responses keep, and one between them that only the shorter keeps, which is then the better', () => {
    const [within, beyond] = made(50, 20);
    assert.equal(within?.instruction, 'Limit: 60.\n\nSay it.');
    assert.deepEqual([within?.better, within?.worse], [words(50), words(20)]);
    assert.deepEqual([beyond?.better, beyond?.worse], [words(20), words(50)]);
    assert.deepEqual(
      [within?.id, beyond?.id, within?.subset],
      ['p-words-kept', 'p-words-broken', 'limit-words'],
    );
    assert.deepEqual([within ?? {}, beyond ?? {}, {}, { subset: 'limits' }].map(isLimited), [
      true,
      true,
      false,
      false,
    ]);
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
    const count = (share: number) =>
      Array.from({ length: 1000 }, (_, index) => made(50, 20, {}, `p${index}`, share).length);
    const share = count(0.25);
    assert(share.every((length) => length === 0 || length === 2));
    const chosen = share.filter((length) => length === 2).length;
    assert(chosen > 200 && chosen < 300, `${chosen}`);
    assert.deepEqual(new Set(count(0)), new Set([0]));
    assert.equal(made(29, 20).length, 0);
    assert.equal(made(30, 20).length, 2);
    assert.equal(made(30, 20, { margin: 0.5 }).length, 2);
    assert.equal(made(21, 20, { minDifference: 1 }).length, 0, 'no whole number is between them');
  });

  it('have a limit of sentences, which are two at least', () => {
    const one = 'It is so.';
    const four = 'It is so, e.g. here. It is! Is it?\n\n- It is';
    const [kept, broken] = withKind('sentences', 'Say it.', four, one);
    assert.equal(kept?.instruction, 'Limit: 4.\n\nSay it.');
    assert(['Limit: 2.\n\nSay it.', 'Limit: 3.\n\nSay it.'].includes(broken?.instruction ?? ''));
    assert.deepEqual([kept?.better, broken?.better], [four, one]);
    assert.deepEqual(
      withKind('sentences', 'Say it.', one, four).map(({ better }) => better),
      [one, one],
    );
    assert.equal(withKind('sentences', 'Say it.', 'It is. So it is.', one).length, 0);
    assert.equal(withKind('sentences', 'Say it.', four, four).length, 0);
  });

  it('require a word that both responses have, or that only the worse one has', () => {
    const [better, worse] = ['A quiet River, a hill.', 'The river is broad, a hill.'];
    const [kept, broken] = withKind('required-word', 'Say it.', better, worse);
    assert.equal(kept?.instruction, 'Limit: river.\n\nSay it.');
    assert.equal(broken?.instruction, 'Limit: broad.\n\nSay it.');
    assert.deepEqual([kept?.better, broken?.better], [better, worse]);
    assert.equal(withKind('required-word', 'Say it.', 'A quiet river', 'A river').length, 0);
  });

  it('forbid a word of the instruction that no response has, or one that only the better response has', () => {
    const [better, worse] = ['A quiet river', 'A broad river'];
    const [kept, broken] = withKind('forbidden-word', 'Describe a river.', better, worse);
    assert.equal(kept?.instruction, 'Limit: describe.\n\nDescribe a river.');
    assert.equal(broken?.instruction, 'Limit: quiet.\n\nDescribe a river.');
    assert.deepEqual([kept?.better, broken?.better], [better, worse]);
    assert.equal(withKind('forbidden-word', 'A river?', better, worse).length, 0);
  });
});
