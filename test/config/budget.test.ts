import assert from 'node:assert/strict';
import { runFingerprintInputs } from '../../src/config/fingerprint-inputs.ts';
import { parseConfiguration } from '../../src/config/parse-configuration.ts';
import { scriptedConfiguration } from '../support/scripted-run.ts';

describe('the budget of a configuration', () => {
  const read = (budget: unknown, more: object = {}) =>
    parseConfiguration({ ...scriptedConfiguration('http://127.0.0.1:9/v1', 'run'), budget, ...more });
  const paths = (...args: Parameters<typeof read>) => read(...args).problems.map(({ path }) => path);

  it('has any of four limits, and none by default', () => {
    assert.deepEqual(paths({ tokens: 1000, requests: 10, gpuHours: 0.5 }), []);
    assert.deepEqual(paths({}), []);
    assert.equal(read(undefined).configuration?.budget, undefined);
  });

  it('is refused by the field where it is nonsense', () => {
    assert.deepEqual(paths({ tokens: 0, requests: 2.5, gpuHours: -1, usd: '3', euros: 5 }), [
      'budget.tokens',
      'budget.requests',
      'budget.usd',
      'budget.gpuHours',
      'budget.euros',
    ]);
  });

  it('needs the price of each model that is asked for a limit in USD, and says which is missing', () => {
    const price = { prompt: 1, completion: 2 };
    assert.deepEqual(paths({ usd: 5 }), ['prices.tokens.seed']);
    const models = { seed: { checkpoint: 'a' }, generator: { checkpoint: 'b' } };
    const prices = { tokens: { seed: price } };
    assert.deepEqual(paths({ usd: 5 }, { models, prices }), ['prices.tokens.generator']);
    assert.match(
      read({ usd: 5 }, { models, prices }).problems[0]?.message ?? '',
      /^missing: budget\.usd is 5/,
    );
    assert.deepEqual(paths({ usd: 5 }, { prices }), []);
  });

  it('means nothing for what comes out', () => {
    const [one, other] = [read({ tokens: 5 }), read(undefined)].map(({ configuration }) => configuration);
    assert(one !== undefined && other !== undefined);
    assert.deepEqual(runFingerprintInputs(one), runFingerprintInputs(other));
  });
});
