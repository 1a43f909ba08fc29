import assert from 'node:assert/strict';
import { stageUsage } from '../../src/reporting/stage-usage.ts';
import type { IterationSummary } from '../../src/api/result.ts';
import { configurationSchema } from '../../src/config/run-configuration.ts';

const million = { requests: 500, promptTokens: 1_000_000, completionTokens: 2_000_000 };
const evaluation = { benchmark: 'held-out' } as IterationSummary['evaluations'][number];
const made = { preparePool: { rows: 9 }, generatePairs: million };

function summary(iteration: number, ofItsOwn: IterationSummary['counts'], seconds: Record<string, number>) {
  return {
    iteration,
    model: { checkpoint: 'm', sha256: '' },
    evaluations: [evaluation, { ...evaluation, benchmark: 'validation' }],
    counts: { ...made, ...ofItsOwn, 'held-out': million, validation: million },
    seconds,
  };
}
const first = summary(0, {}, { preparePool: 1, generatePairs: 7200, evaluateJudge: 3600 });
const second = summary(
  1,
  { judgePairs: million, fineTune: { steps: 4 } },
  { judgePairs: 3600, fineTune: 1800, evaluateJudge: 3600 },
);

const { models: modelsSchema, prices: pricesSchema } = configurationSchema.shape;
const usage = (of: IterationSummary, prices?: object, generator?: object) =>
  stageUsage(of, {
    models: modelsSchema.parse({ seed: { checkpoint: 'm' }, generator }),
    prices: pricesSchema.parse(prices),
  });
const costs = (...args: Parameters<typeof usage>) =>
  usage(...args).map(({ stage, usd }) => [stage, usd] as const);

describe('the usage of the stages', () => {
  it('is counted once, with all benchmarks together', () => {
    const twice = { prompt: 2_000_000, completion: 4_000_000 };
    const once = { prompt: 1_000_000, completion: 2_000_000 };
    assert.deepEqual(usage(first), [
      { stage: 'preparePool', requests: undefined, tokens: undefined, seconds: 1, usd: undefined },
      { stage: 'generatePairs', requests: 500, tokens: once, seconds: 7200, usd: undefined },
      { stage: 'evaluateJudge', requests: 1000, tokens: twice, seconds: 3600, usd: undefined },
    ]);
    assert.deepEqual(
      usage(second).map(({ stage, tokens }) => [stage, tokens]),
      [
        ['judgePairs', once],
        ['fineTune', undefined],
        ['evaluateJudge', twice],
      ],
    );
  });

  it('has no count of requests where the artifacts are of a worker that did not count them', () => {
    const { requests: _, ...uncounted } = million;
    const old = { ...second, counts: { judgePairs: uncounted } };
    assert.deepEqual(
      usage(old).map(({ stage, requests, tokens }) => [stage, requests, tokens?.prompt]),
      [
        ['judgePairs', undefined, 1_000_000],
        ['fineTune', undefined, undefined],
        ['evaluateJudge', undefined, undefined],
      ],
    );
  });

  it('costs GPU time, except in stages without a model', () => {
    const gpus = { gpuHour: 2, gpus: 8 };
    assert.deepEqual(costs(first, gpus), [
      ['preparePool', undefined],
      ['generatePairs', 32],
      ['evaluateJudge', 16],
    ]);
    assert.deepEqual(costs(second, gpus), [
      ['judgePairs', 16],
      ['fineTune', 8],
      ['evaluateJudge', 16],
    ]);
  });

  it('costs tokens if the model has a price for them', () => {
    const tokens = { generator: { prompt: 1, completion: 3 }, firstJudge: { prompt: 5, completion: 5 } };
    const prices = { tokens, gpuHour: 1 };
    // Without a generator of its own the run asks its seed model.
    assert.equal(costs(first, prices)[1]?.[1], 2);
    assert.equal(costs(first, prices, { checkpoint: 'other' })[1]?.[1], 7);
    assert.deepEqual(costs(second, { tokens: { seed: { prompt: 0, completion: 0.5 } } }), [
      ['judgePairs', 1],
      ['fineTune', undefined],
      ['evaluateJudge', 2],
    ]);
  });
});
