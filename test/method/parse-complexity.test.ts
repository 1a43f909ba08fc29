import assert from 'node:assert/strict';
import { parseComplexity } from '../../src/method/parse-complexity.ts';

describe('the complexity of an answer', () => {
  const cases: [meaning: string, text: string, complexity: number | undefined][] = [
    ['is the answer itself', '3', 3],
    ['is the answer itself in bold with a full stop', ' **4**.\n', 4],
    ['is the only number among words', 'Complexity: 2, as it takes one step', 2],
    ['is what comes before the scale', '4/5', 4],
    ['is what comes before the scale in words', '1 out of 5', 1],
    ['may be said twice', '5. So it is 5', 5],
    ['is none where two are named', '2 or 3', undefined],
    ['is none outside the scale', '7', undefined],
    ['is none in a larger number', '15 of 25', undefined],
    ['is none in a fraction', '3.5', undefined],
    ['is none where it is negative', '-3', undefined],
    ['is none in an empty answer', '', undefined],
  ];
  for (const [meaning, text, complexity] of cases) {
    it(meaning, () => assert.equal(parseComplexity(text), complexity));
  }
});
