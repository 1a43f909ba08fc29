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
    assert.match(warning, /^iteration 2: 3590 of 4022 judgments have no verdict\. /);
  });

  it('say that most judgments of other tasks have no verdict, apart from those of pairs', () => {
    const counts = { judgments: 10, unparsableJudgments: 0, taskJudgments: 8 };
    assert.deepEqual(verdictWarnings(1, { ...counts, unparsableTaskJudgments: 4 }), []);
    const warnings = verdictWarnings(1, { ...counts, unparsableTaskJudgments: 5 });
    assert.equal(warnings.length, 1);
    assert.match(warnings[0] ?? '', /^iteration 1: 5 of 8 judgments of tasks beyond pairs have no verdict\./);
  });

  it('say that one of ten judgments has almost a verdict, and in which form', () => {
    const counts = {
      judgments: 100,
      unparsableJudgments: 12,
      'without a verdict: empty': 2,
      'without a verdict: almost: [[a]]': 4,
      'without a verdict: almost: [A]': 6,
    };
    const [warning = ''] = verdictWarnings(1, counts);
    assert.match(
      warning,
      /12 of 100 judgments have no verdict: almost: \[A\] \(6\), almost: \[\[a\]\] \(4\), empty \(2\)/,
    );
    assert.deepEqual(verdictWarnings(1, { ...counts, judgments: 101 }), []);
  });

  it('count reasoning that was cut off as truncated texts', () => {
    const [warning = ''] = pairYieldWarnings({
      pairs: 1,
      'dropped: truncated': 1,
      'dropped: all tokens spent on reasoning': 2,
    });
    assert.match(
      warning,
      /^3 instructions .* truncated \(2 before the model's reasoning ended\), and 1 gave one/,
    );
  });
});
