import assert from 'node:assert/strict';
import { pairYieldWarnings, verdictWarnings } from '../../src/workflows/yield-warnings.ts';

describe('warnings of a low yield of a stage', () => {
  it('say that more instructions were lost to truncated texts than gave a pair, and which limit to raise', () => {
    assert.deepEqual(
      pairYieldWarnings({ pairs: 285, 'dropped: truncated': 285, 'dropped: refusal': 900 }),
      [],
    );
    const [warning = '', ...more] = pairYieldWarnings({ pairs: 285, 'dropped: truncated': 372 });
    assert.match(
      warning,
      /^372 instructions gave no pair.* 285 gave one: raise pairs\.responseSampling\.maxTokens/,
    );
    assert.deepEqual(more, []);
    // Pairs that are given come of no instruction.
    assert.deepEqual(pairYieldWarnings(undefined), []);
  });

  it('say that most judgments of an iteration have no verdict', () => {
    assert.deepEqual(verdictWarnings(1, { judgments: 10, unparsableJudgments: 5 }), []);
    assert.deepEqual(verdictWarnings(1, { judgments: 0 }), []);
    const [warning = ''] = verdictWarnings(2, { judgments: 4022, unparsableJudgments: 3590 });
    assert.match(warning, /^iteration 2: 3590 of 4022 judgments have no verdict/);
  });
});
