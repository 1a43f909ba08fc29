import assert from 'node:assert/strict';
import { stepFigures } from '../../src/reporting/report-iteration.ts';

describe('the figures of a training by step', () => {
  const line = (step: number, more: object = {}) =>
    `${JSON.stringify({
      ...{ step, totalSteps: 3, loss: step / 10, learningRate: 1, tokensPerSecond: 1, etaSeconds: 0 },
      ...{ time: '2026-01-01T00:00:00Z', ...more },
    })}\n`;

  it('are the losses, where a step that was repeated after a restart counts once', () => {
    const progress = [line(1), line(2, { loss: 9 }), line(2), line(3)].join('');
    assert.deepEqual(stepFigures(progress), {
      losses: [1, 2, 3].map((step) => ({ step, loss: step / 10 })),
    });
  });

  it('have the rewards too, if the training sampled judgments', () => {
    const rewarded = { reward: 0.5, zeroVarianceShare: 0.25, completionTokens: 3, truncatedShare: 0 };
    assert.deepEqual(stepFigures(line(1, rewarded) + line(2, { ...rewarded, reward: 1 })).rewards, [
      { step: 1, reward: 0.5, zeroVarianceShare: 0.25 },
      { step: 2, reward: 1, zeroVarianceShare: 0.25 },
    ]);
  });
});
