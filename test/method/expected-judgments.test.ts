import assert from 'node:assert/strict';
import { expectedJudgments, sumUpTo } from '../../src/method/expected-judgments.ts';

const close = (found: number, wanted: number) =>
  assert(Math.abs(found - wanted) < 1e-9, `${found} is not ${wanted}`);

describe('the expected number of judgments of an example', () => {
  const untilCorrect = { kind: 'until-correct', initialBatchSize: 1 } as const;

  it('is one request for all samples', () => {
    const plan = { strategy: { kind: 'all' }, samples: 15, judgmentsPerExample: 1 } as const;
    const { requests, judgments } = expectedJudgments(plan, 0.7);
    assert.deepEqual([requests, judgments], [1, 15]);
  });

  it('until the first correct one: with a uniform prior, k failures have the probability 1 / (k + 1)', () => {
    const plan = { strategy: untilCorrect, samples: 15, judgmentsPerExample: 1 };
    const { requests, judgments } = expectedJudgments(plan, 0.5);
    close(requests, 1 + 1 / 2 + 1 / 4 + 1 / 8);
    close(judgments, 1 + 2 / 2 + 4 / 4 + 8 / 8);
  });

  it('needs every batch for a judge that is never correct, and one sample for a judge that always is', () => {
    const plan = { strategy: untilCorrect, samples: 6, judgmentsPerExample: 1 };
    assert.equal(expectedJudgments(plan, 0).judgments, 6);
    assert.equal(expectedJudgments(plan, 1).judgments, 1);
  });

  it('continues until there are several correct judgments, or also an incorrect one', () => {
    const judgments = (also: 'incorrect' | undefined, judgmentsPerExample: number, correctShare: number) =>
      expectedJudgments(
        { strategy: { ...untilCorrect, also }, samples: 8, judgmentsPerExample },
        correctShare,
      ).judgments;
    assert(judgments(undefined, 2, 0.7) > judgments(undefined, 1, 0.7));
    assert.equal(judgments('incorrect', 1, 1), 8);
    close(judgments('incorrect', 1, 0.3), judgments('incorrect', 1, 0.7));
  });

  it('gives the probability of each number of correct judgments', () => {
    const plan = { strategy: untilCorrect, samples: 6, judgmentsPerExample: 1 };
    const { probabilityOf } = expectedJudgments(plan, 0.8);
    close(
      sumUpTo(6, (correct) => probabilityOf(correct, 6)),
      1,
    );
    close(
      sumUpTo(6, (correct) => correct * probabilityOf(correct, 6)),
      6 * 0.8,
    );
  });
});
