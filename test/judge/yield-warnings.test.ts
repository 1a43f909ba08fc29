import assert from 'node:assert/strict';
import { pairWarnings, verdictWarnings } from '../../src/judge/yield-warnings.ts';

describe('warnings of how little a stage gave', () => {
  it('tell that more instructions were lost to texts that were cut off than gave a pair, and what to raise', () => {
    assert.deepEqual(pairWarnings({ pairs: 285, 'dropped: truncated': 285, 'dropped: refusal': 900 }), []);
    const [warning = '', ...more] = pairWarnings({ pairs: 285, 'dropped: truncated': 372 });
    assert.match(
      warning,
      /^372 instructions gave no pair.* 285 gave one: raise pairs\.responseSampling\.maxTokens/,
    );
    assert.deepEqual(more, []);
    // Pairs that are given come of no instruction.
    assert.deepEqual(pairWarnings(undefined), []);
  });

  it('tell that most judgments of an iteration have no verdict', () => {
    assert.deepEqual(verdictWarnings(1, { judgments: 10, noVerdict: 5 }), []);
    assert.deepEqual(verdictWarnings(1, { judgments: 0 }), []);
    const [warning = ''] = verdictWarnings(2, { judgments: 4022, noVerdict: 3590 });
    assert.match(warning, /^iteration 2: 3590 of 4022 judgments have no verdict/);
  });
});
