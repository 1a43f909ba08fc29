import assert from 'node:assert/strict';
import { fineTuningSchema, roundForIteration } from '../../src/config/fine-tuning.ts';
import { parseConfiguration } from '../../src/config/parse-configuration.ts';

/** What is wrong with a configuration that says this of its fine-tuning, by path. */
function problemsOf(asked: unknown): Record<string, string> {
  const { problems } = parseConfiguration({
    runName: 'test',
    models: { seed: { checkpoint: 'm' } },
    serving: { kind: 'endpoint', baseUrl: 'http://127.0.0.1:9/v1', servedModelName: 'm-{iteration}' },
    instructions: { pool: ['pool.jsonl'] },
    evaluation: {
      benchmarks: [{ name: 'test', format: 'reward-bench', path: 'b.jsonl', purpose: 'test' }],
    },
    fineTuning: asked,
  });
  return Object.fromEntries(problems.map(({ path, message }) => [path, message]));
}

describe('the rounds of fine-tuning', () => {
  it('are taken in turn, and the last one repeats', () => {
    const { rounds } = fineTuningSchema.parse({ rounds: [{ method: 'sft' }, { method: 'dpo' }] });
    const methods = [1, 2, 3, 9].map((iteration) => roundForIteration({ rounds }, iteration).method);
    assert.deepEqual(methods, ['sft', 'dpo', 'dpo', 'dpo']);
  });

  it("start with SFT from M_0 and with DPO from the judge before, with the authors' settings for each", () => {
    const { rounds, adapter } = fineTuningSchema.parse({ rounds: [{ method: 'sft' }, { method: 'dpo' }] });
    assert.deepEqual(
      rounds.map(({ initFrom }) => initFrom),
      ['seed', 'previous'],
    );
    const [sft, dpo] = rounds;
    assert.equal(sft?.hyperparameters.learningRate, 1e-6);
    assert(dpo?.method === 'dpo');
    assert.deepEqual([dpo.hyperparameters.beta, dpo.hyperparameters.nllWeight], [0.1, 1.5]);
    assert.equal(dpo.hyperparameters.learningRate, 5.5e-8);
    assert.equal(dpo.hyperparameters.maxSteps, 3000);
    assert.deepEqual(adapter, { kind: 'none' });
  });

  it('have only the settings of their method', () => {
    const problems = problemsOf({
      rounds: [
        { method: 'sft', hyperparameters: { beta: 0.1 } },
        { method: 'dpo', hyperparameters: { beta: 0.1 }, pairs: 3 },
      ],
    });
    assert.deepEqual(Object.keys(problems), [
      'fineTuning.rounds.0.hyperparameters.beta',
      'fineTuning.rounds.1.pairs',
    ]);
    assert.match(
      problems['fineTuning.rounds.1.pairs'] ?? '',
      /^unknown field; known here: method, initFrom, correctness, preferencePairsPerExample, judgments, selectCheckpoint, hyperparameters$/,
    );
    assert.match(problems['fineTuning.rounds.0.hyperparameters.beta'] ?? '', /known here: epochs, maxSteps/);
  });

  it('are named where a method, a rate or their number is wrong', () => {
    const problems = problemsOf({
      rounds: [
        { method: 'ppo' },
        { method: 'sft', hyperparameters: { lrScheduler: 'linear', minLrRatio: 2 } },
      ],
      adapter: { kind: 'lora', rank: 0 },
    });
    assert.match(problems['fineTuning.rounds.0.method'] ?? '', /found "ppo"/);
    assert.match(
      problems['fineTuning.rounds.1.hyperparameters.minLrRatio'] ?? '',
      /a rate that rises \(above 1\) needs lrScheduler "cosine"; found 2/,
    );
    assert.match(problems['fineTuning.adapter.rank'] ?? '', /found 0/);
    assert.match(problemsOf({ rounds: [] })['fineTuning.rounds'] ?? '', /found \[\]/);
  });
});
