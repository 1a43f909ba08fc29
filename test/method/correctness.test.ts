import assert from 'node:assert/strict';
import { ORDERS, type Order } from '../../src/method/examples.ts';
import { splitByCorrectness, type NumberedJudgment, type Correctness } from '../../src/method/correctness.ts';
import type { Verdict } from '../../src/method/verdict.ts';

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

function outcomes(judgments: readonly NumberedJudgment[], correctness: Correctness) {
  const byOrder = splitByCorrectness(judgments, betterSide, correctness);
  const samples = (of: 'correct' | 'incorrect', order: Order) =>
    byOrder[order][of].map(({ sample }) => sample);
  return {
    correct: ORDERS.map((order) => samples('correct', order)),
    incorrect: ORDERS.map((order) => samples('incorrect', order)),
  };
}

describe('the correctness of a judgment', () => {
  const samples = judged([
    ['A', 'B'], // correct in both orders
    ['A', 'A'], // always A: right by luck in the first order
    ['B', 'B'],
    ['tie', 'B'],
    ['none', 'none'],
  ]);

  it('in a single order is decided for each order by itself: the other side, a tie and a missing verdict are incorrect', () => {
    assert.deepEqual(outcomes(samples, 'single-order'), {
      correct: [
        [0, 1],
        [0, 2, 3],
      ],
      incorrect: [
        [2, 3, 4],
        [1, 4],
      ],
    });
  });

  it('in both orders needs a correct counterpart; without it, a judgment is neither correct nor incorrect', () => {
    assert.deepEqual(outcomes(samples, 'both-orders'), {
      correct: [[0], [0]],
      incorrect: [
        [2, 3, 4],
        [1, 4],
      ],
    });
  });

  it('is undecided for a truncated judgment, whose counterpart then has no correct partner', () => {
    const [first, second] = judged([['A', 'B']]);
    const cutOff = [{ ...first, finishReason: 'length' } as NumberedJudgment, second as NumberedJudgment];
    assert.deepEqual(outcomes(cutOff, 'single-order'), { correct: [[], [0]], incorrect: [[], []] });
    assert.deepEqual(outcomes(cutOff, 'both-orders'), { correct: [[], []], incorrect: [[], []] });
  });
});
