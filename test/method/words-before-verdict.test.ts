import assert from 'node:assert/strict';
import { wordsBeforeVerdict } from '../../src/method/words-before-verdict.ts';

describe('the words before a verdict', () => {
  const words = (text: string, reasoning?: string) =>
    wordsBeforeVerdict({ text, ...(reasoning === undefined ? {} : { reasoning }) });

  it('tell reasoned judgments of the embedded judge from its guesses', () => {
    assert.equal(words('The answer is 72. 72 (A), 60 (B). So 72 (A). [[A]]'), 11);
    assert.equal(words('(A) looks better. [[A]]'), 3);
    assert.equal(words('[[B]]'), 0);
  });

  it('do not include what follows the first verdict, which can not have led to it', () => {
    assert.equal(words('[[A]] because the first answer is right, and the second is not. [[A]]'), 0);
    assert.equal(words('Both are fine, but [[B]], as it is shorter'), 4);
    assert.equal(words('No verdict at all'), 4);
  });

  it('include reasoning in the text without its marks, and reasoning that came apart', () => {
    assert.equal(words('<think>\n\n</think>\n\n[[A]]'), 0);
    assert.equal(words('<think>[[B]]? No, the first is right.</think>\n\nSo [[A]]'), 7);
    assert.equal(words('the first is right</think> [[A]]'), 4);
    assert.equal(words('So [[A]]', 'The first is right.'), 5);
    const marks = [{ start: '<plan>', end: '</plan>' }];
    assert.equal(wordsBeforeVerdict({ text: '<plan>one two</plan> [[A]]' }, marks), 2);
    // The judge never came to an answer.
    assert.equal(words('<think>\nThe first is'), 3);
  });

  it('are counted in any script: by spaces, or by characters where there are none', () => {
    assert.equal(words('Der erste Satz ist größer – Ответ верный. [[A]]'), 7);
    assert.equal(words('第一个答案正确。[[A]]'), 7);
    assert.equal(words('GPT的答案 [[A]]'), 4);
    assert.equal(words('*** -- ... [[A]]'), 0);
  });
});
