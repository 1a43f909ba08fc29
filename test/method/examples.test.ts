import assert from 'node:assert/strict';
import { judgeExample, ORDERS, judgePromptValues } from '../../src/method/examples.ts';

const pair = { id: 'p', instruction: 'x', better: 'good', worse: 'bad' };

describe('a response pair', () => {
  it('is shown in both orders, with the side of the better response', () => {
    assert.deepEqual(
      ORDERS.map((order) => judgeExample(pair, order)),
      [
        {
          id: 'p/better-first',
          order: 'better-first',
          instruction: 'x',
          responseA: 'good',
          responseB: 'bad',
          betterSide: 'A',
        },
        {
          id: 'p/worse-first',
          order: 'worse-first',
          instruction: 'x',
          responseA: 'bad',
          responseB: 'good',
          betterSide: 'B',
        },
      ],
    );
  });

  it('shows a judge neither its id nor which side is better', () => {
    assert.deepEqual(judgePromptValues(judgeExample(pair, 'worse-first')), {
      instruction: 'x',
      responseA: 'bad',
      responseB: 'good',
    });
  });
});
