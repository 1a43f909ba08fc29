import assert from 'node:assert/strict';
import { parseVerdict, type Verdict } from '../../src/method/verdict.ts';

describe('the verdict of a judgment', () => {
  const cases: [meaning: string, text: string, verdict: Verdict][] = [
    ['is the letter in double brackets', 'A names the right town.\n\n[[A]]', 'A'],
    ['is the same letter however often it is said', '[[B]] it is. Final verdict: [[B]]', 'B'],
    ['is a tie where only [[C]] stands', 'Both are equally good: [[C]]', 'tie'],
    ['is found in an outer pair of brackets', 'so: [[[A]]]', 'A'],
    ['is none where no letter stands', 'Assistant A is better.', 'none'],
    ['is none in an empty text', '', 'none'],
    ['is none where both letters stand, whichever comes first', '[[A]]? No, rather [[B]]', 'none'],
    ['is none where a letter and a tie stand', '[[A]] or [[C]]', 'none'],
    ['is none in single brackets', '[A]', 'none'],
    ['is none for brackets that other letters or blanks fill', '[[D]] [[a]] [[ A ]] [[AB]] [[]]', 'none'],
    ['is none for a letter with brackets of its own', '[[[A]B]] [[(A)]]', 'none'],
    ["is none in another script's brackets or letters", '【【A】】 ［［A］］ [[А]] [[Α]] [[Ａ]]', 'none'],
    ['is none where brackets are apart', '[ [A] ] [[A] ] [\u200b[A]]', 'none'],
  ];
  for (const [meaning, text, verdict] of cases) {
    it(meaning, () => assert.equal(parseVerdict(text), verdict));
  }

  it('is found at the end of a million brackets', () => {
    assert.equal(parseVerdict(`${'['.repeat(1_000_000)}${'[[ '.repeat(300_000)}[[B]]`), 'B');
  });
});
