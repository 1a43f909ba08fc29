import assert from 'node:assert/strict';
import type { ConfigurationInput } from '../../src/config/run-configuration.ts';
import { parseConfiguration } from '../../src/config/parse-configuration.ts';
import { expectedTraining } from '../../src/estimate/expected-training.ts';
import { tinyConfiguration } from '../support/tiny-run.ts';

type Round = NonNullable<NonNullable<ConfigurationInput['fineTuning']>['rounds']>[number];

describe('the expected size of a training', () => {
  const JUDGMENT = 100;
  const PROMPT = 50;

  /** Of 1,000 judged examples, four of five of whose judgments are correct. */
  function sizeOf(round: Round, devices = 1, tasks: { examples: number; prompt: number }[] = []) {
    const { configuration, problems } = parseConfiguration(
      tinyConfiguration('size', 'http://127.0.0.1:9/v1', { fineTuning: { rounds: [round] } }),
    );
    assert(configuration !== undefined, JSON.stringify(problems));
    return expectedTraining(configuration, 1, {
      ...{ generated: 1000, human: 0, correctShare: 0.8, prompt: PROMPT, tasks, devices },
      judgment: (maxTokens) => Math.min(JUDGMENT, maxTokens),
    });
  }
  const direct = (share: number, mode: 'instead' | 'beside') => ({ share, mode, prompt: 'prompts/direct' });

  it('counts verdicts alone beside the reasoning once more, and in place of it as examples of a few tokens', () => {
    const plain = sizeOf({ method: 'sft' });
    assert.equal(plain.exampleTokens, PROMPT + JUDGMENT);
    const beside = sizeOf({ method: 'sft', direct: direct(0.5, 'beside') });
    assert.equal(beside.examples, Math.round(1.5 * plain.examples));
    assert(Math.abs(beside.exampleTokens - (PROMPT + (2 * JUDGMENT + 4) / 3)) < 1e-9);
    const instead = sizeOf({ method: 'sft', direct: direct(1, 'instead') });
    assert.equal(instead.examples, plain.examples);
    assert.equal(instead.exampleTokens, PROMPT + 4);
    assert.equal(plain.sampledJudgments, undefined);
  });

  it('counts examples of other tasks as those of pairs, with their own prompts', () => {
    const [plain, mixed] = [[], [{ examples: 500, prompt: 4 * PROMPT }]].map((tasks) =>
      sizeOf({ method: 'sft' }, 1, tasks),
    );
    assert.equal(mixed?.examples, Math.round(1.5 * (plain?.examples ?? 0)));
    assert.equal(mixed?.exampleTokens, 2 * PROMPT + JUDGMENT);
  });

  it('counts the judgments that GRPO samples: whole steps of them, of at most their length', () => {
    const hyperparameters = {
      ...{ numGenerations: 4, perDeviceBatchSize: 96, gradientAccumulationSteps: 4, epochs: 2 },
      ...{ maxSteps: 100, maxCompletionLength: 30 },
    };
    const size = sizeOf({ method: 'grpo', hyperparameters });
    assert.equal(size.examples, 1000);
    // 4,000 judgments are ten steps of 384, and 160 that make none.
    assert.equal(size.steps, 20);
    assert.equal(size.sampledJudgments, 20 * 384);
    assert.equal(size.tokens, 20 * 384 * (PROMPT + 30));
    const parallel = sizeOf({ method: 'grpo', hyperparameters: { ...hyperparameters, maxSteps: 3 } }, 2);
    assert.deepEqual([parallel.steps, parallel.sampledJudgments], [3, 3 * 768]);
  });

  it('has the same number of steps in an epoch of GRPO as the trainer if a micro-batch is not full', () => {
    const hyperparameters = {
      numGenerations: 2,
      perDeviceBatchSize: 1024,
      gradientAccumulationSteps: 1,
      epochs: 1,
    };
    const { steps } = sizeOf({ method: 'grpo', hyperparameters });
    assert.equal(steps, Math.floor(2000 / 1024));
  });
});
