import assert from 'node:assert/strict';
import { expectedJudgments, sumOver } from '../../src/plan/expected-judgments.ts';

const close = (found: number, wanted: number) =>
  assert(Math.abs(found - wanted) < 1e-9, `${found} is not ${wanted}`);

describe('what judging an example is expected to take', () => {
  const untilCorrect = { kind: 'until-correct', wave: 1 } as const;

  it('is one request for all samples', () => {
    const plan = { strategy: { kind: 'all' }, samples: 15, judgmentsPerExample: 1 } as const;
    const { requests, judgments } = expectedJudgments(plan, 0.7);
    assert.deepEqual([requests, judgments], [1, 15]);
  });

  it('until the first right one: under a uniform spread k failures have a chance of 1 / (k + 1)', () => {
    const plan = { strategy: untilCorrect, samples: 15, judgmentsPerExample: 1 };
    const { requests, judgments } = expectedJudgments(plan, 0.5);
    close(requests, 1 + 1 / 2 + 1 / 4 + 1 / 8);
    close(judgments, 1 + 2 / 2 + 4 / 4 + 8 / 8);
  });

  it('is every wave for a judge that is never right, one sample for one that always is', () => {
    const plan = { strategy: untilCorrect, samples: 6, judgmentsPerExample: 1 };
    assert.equal(expectedJudgments(plan, 0).judgments, 6);
    assert.equal(expectedJudgments(plan, 1).judgments, 1);
  });

  it('goes on for several right ones, and for a wrong one that is wanted too', () => {
    const judgments = (also: 'wrong' | undefined, judgmentsPerExample: number, rightShare: number) =>
      expectedJudgments({ strategy: { ...untilCorrect, also }, samples: 8, judgmentsPerExample }, rightShare)
        .judgments;
    assert(judgments(undefined, 2, 0.7) > judgments(undefined, 1, 0.7));
    assert.equal(judgments('wrong', 1, 1), 8);
    close(judgments('wrong', 1, 0.3), judgments('wrong', 1, 0.7));
  });

  it('knows the chance of each number of right ones', () => {
    const plan = { strategy: untilCorrect, samples: 6, judgmentsPerExample: 1 };
    const { rightOf } = expectedJudgments(plan, 0.8);
    close(
      sumOver(6, (right) => rightOf(right, 6)),
      1,
    );
    close(
      sumOver(6, (right) => right * rightOf(right, 6)),
      6 * 0.8,
    );
  });
});
