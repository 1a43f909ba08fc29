import assert from 'node:assert/strict';
import { ORDERS, type Order } from '../../src/judge/examples.ts';
import { judgedRightOrWrong, type NumberedJudgment, type Rightness } from '../../src/judge/rightness.ts';
import type { Verdict } from '../../src/judge/verdict.ts';

const betterSide = { 'better-first': 'A', 'worse-first': 'B' } as const;

/** Samples of both orders, by their verdicts: `A/B` is A in the order better-first, B in the order worse-first. */
function judged(
  samples: readonly (readonly [Verdict, Verdict])[],
  finishReason = 'stop',
): NumberedJudgment[] {
  return samples.flatMap((verdicts, sample) =>
    ORDERS.map((order, index) => {
      const verdict = verdicts[index] ?? 'none';
      return { id: `${order} ${sample}`, order, sample, text: '', verdict, finishReason };
    }),
  );
}

function outcomes(judgments: readonly NumberedJudgment[], rightness: Rightness) {
  const byOrder = judgedRightOrWrong(judgments, betterSide, rightness);
  const samples = (of: 'right' | 'wrong', order: Order) => byOrder[order][of].map(({ sample }) => sample);
  return {
    right: ORDERS.map((order) => samples('right', order)),
    wrong: ORDERS.map((order) => samples('wrong', order)),
  };
}

describe('when a judgment is right', () => {
  const samples = judged([
    ['A', 'B'], // right in both orders
    ['A', 'A'], // always A: right by luck in the first order
    ['B', 'B'],
    ['tie', 'B'],
    ['none', 'none'],
  ]);

  it('in a single order: each by itself; a wrong side, a tie and no verdict are wrong', () => {
    assert.deepEqual(outcomes(samples, 'single-order'), {
      right: [
        [0, 1],
        [0, 2, 3],
      ],
      wrong: [
        [2, 3, 4],
        [1, 4],
      ],
    });
  });

  it('in both orders: only with its counterpart; one that is right by luck is neither right nor wrong', () => {
    assert.deepEqual(outcomes(samples, 'both-orders'), {
      right: [[0], [0]],
      wrong: [
        [2, 3, 4],
        [1, 4],
      ],
    });
  });

  it('never when it was cut off, nor is it wrong for that, and its counterpart stands alone', () => {
    const [first, second] = judged([['A', 'B']]);
    const cutOff = [{ ...first, finishReason: 'length' } as NumberedJudgment, second as NumberedJudgment];
    assert.deepEqual(outcomes(cutOff, 'single-order'), { right: [[], [0]], wrong: [[], []] });
    assert.deepEqual(outcomes(cutOff, 'both-orders'), { right: [[], []], wrong: [[], []] });
  });
});
