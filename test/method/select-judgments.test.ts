import assert from 'node:assert/strict';
import {
  selectJudgments,
  majoritySide,
  type JudgmentSelectionRules,
} from '../../src/method/select-judgments.ts';
import { judgeExample, ORDERS } from '../../src/method/examples.ts';
import type { CountedJudgment } from '../../src/method/rejection-sampling.ts';
import type { Verdict } from '../../src/method/verdict.ts';

const pair = { id: 'pair', instruction: '?', better: 'b', worse: 'w' };
const usual: JudgmentSelectionRules = {
  strategy: { kind: 'all' },
  target: 'construction',
  judgmentsPerExample: 1,
  majorityThreshold: null,
  positionConsistentOnly: false,
  minReasoning: null,
};

/** The verdicts of the better-first order (right: A) and of the worse-first order (right: B), a letter each. */
function judged(betterFirst: string, worseFirst: string) {
  return ORDERS.map((order, index) => ({
    example: judgeExample(pair, order),
    judgments: verdicts([betterFirst, worseFirst][index] ?? '', order),
  }));
}
function verdicts(letters: string, name = ''): CountedJudgment[] {
  // An "x" is a guess of A.
  const verdictOf: Record<string, Verdict> = { A: 'A', B: 'B', C: 'tie', '-': 'none', a: 'A', x: 'A' };
  return letters.split('').map((letter, sample) => ({
    id: `${name}/${sample}`,
    sample,
    text: '',
    verdict: verdictOf[letter] ?? 'none',
    finishReason: letter === 'a' ? 'length' : 'stop',
    wordsBeforeVerdict: letter === 'x' ? 3 : 11,
  }));
}
/** For each order the number of judgments kept, or the reason why there are none. */
const outcome = (rules: Partial<JudgmentSelectionRules>, betterFirst: string, worseFirst: string) =>
  selectJudgments(judged(betterFirst, worseFirst), { ...usual, ...rules }, 1).map(
    (choice) => choice.dropped ?? choice.kept.length,
  );

describe('selecting the judgments of a pair', () => {
  it('gives the reason for an example without a kept judgment', () => {
    assert.deepEqual(outcome({}, 'AB', ''), [1, 'no judgment']);
    assert.deepEqual(outcome({}, 'Ba-', 'BA'), ['no correct judgment', 1]);
    assert.deepEqual(outcome({ majorityThreshold: 0.5 }, 'AAB-', 'BAA-'), [
      1,
      'below the majority threshold',
    ]);
    assert.deepEqual(outcome({ target: 'majority-vote' }, 'ABCC', 'BBA'), ['no majority', 1]);
    assert.deepEqual(outcome({ positionConsistentOnly: true }, 'A', 'A'), [
      'not position-consistent',
      'no correct judgment',
    ]);
  });

  it('selects no guess if judgments need reasoning, but counts guesses as correct verdicts and votes', () => {
    assert.deepEqual(outcome({ minReasoning: 11 }, 'xAxB', 'BB'), [1, 1]);
    assert.deepEqual(outcome({ minReasoning: 12 }, 'xAxB', 'A'), [
      'no reasoned judgment',
      'no correct judgment',
    ]);
    assert.deepEqual(outcome({ minReasoning: 4 }, 'xx', 'BA'), ['no reasoned judgment', 1]);
    assert.deepEqual(outcome({ minReasoning: 3 }, 'xx', 'BA'), [1, 1]);
    assert.deepEqual(outcome({ minReasoning: 4, judgmentsPerExample: 3 }, 'AxxAA', 'B'), [3, 1]);
    assert.deepEqual(outcome({ minReasoning: 4, majorityThreshold: 0.7 }, 'xxAB', 'B'), [1, 1]);
    assert.deepEqual(
      outcome({ minReasoning: 4, target: 'majority-vote' }, 'xxxBB', 'B')[0],
      'no reasoned judgment',
    );
    assert.deepEqual(outcome({ minReasoning: 4, positionConsistentOnly: true }, 'xx', 'B'), [
      'no reasoned judgment',
      'not position-consistent',
    ]);
  });

  it('counts a share that equals the threshold exactly, despite rounding of binary fractions', () => {
    for (const [threshold, right] of [
      [0.28, 7],
      [0.56, 14],
      [0.4, 10],
    ] as const) {
      const letters = 'A'.repeat(right) + 'B'.repeat(25 - right);
      assert.equal(outcome({ majorityThreshold: threshold }, letters, 'B')[0], 1);
      assert.equal(
        outcome({ majorityThreshold: threshold }, letters.replace('A', 'B'), 'B')[0],
        'below the majority threshold',
      );
    }
  });

  it('keeps the same number of judgments in both orders of a pair that must be consistent', () => {
    const rules = { positionConsistentOnly: true, judgmentsPerExample: 3 };
    assert.deepEqual(outcome(rules, 'AAAA', 'BB'), [2, 2]);
    assert.deepEqual(outcome({ ...rules, positionConsistentOnly: false }, 'AAAA', 'BB'), [3, 2]);
  });

  it('drops a pair whose majority names the same position in both orders', () => {
    const rules = { positionConsistentOnly: true, target: 'majority-vote' } as const;
    assert.deepEqual(outcome(rules, 'AAB', 'AAB'), ['not position-consistent', 'not position-consistent']);
    assert.deepEqual(outcome(rules, 'AAB', 'BBA'), [1, 1]);
    // Consistent for the response that the construction calls worse: the vote is the judge's own.
    assert.deepEqual(outcome(rules, 'BB', 'AA'), [1, 1]);
  });
});

describe('the majority of verdicts', () => {
  it('ignores ties, missing verdicts and truncated judgments, and is undefined for a draw', () => {
    assert.equal(majoritySide(verdicts('AAB')), 'A');
    assert.equal(majoritySide(verdicts('BCCC--')), 'B');
    assert.equal(majoritySide(verdicts('aaaB')), 'B');
    assert.equal(majoritySide(verdicts('AB')), undefined);
    assert.equal(majoritySide(verdicts('C-')), undefined);
  });
});
