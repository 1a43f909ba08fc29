import assert from 'node:assert/strict';
import type { ResolvedConfiguration, ResolvedEvaluation } from '../../src/activities/open-run.ts';
import { readConfiguration } from '../../src/config/read-configuration.ts';
import { configurationDifference } from '../../src/runs/configuration-difference.ts';

const benchmark = { name: 'b', format: 'reward-bench', path: 'b.jsonl', purpose: 'test' };
const input = {
  runName: 'a',
  models: { seed: { checkpoint: 'embedded/model' } },
  serving: { kind: 'endpoint', baseUrl: 'http://127.0.0.1:1/v1', servedName: 'judge' },
  instructions: { pool: ['a.jsonl'] },
  evaluation: { benchmarks: [benchmark] },
};
const prompt = { user: '{instruction} {A} {B}' };

function resolved(changes: object, judgePrompt = prompt): ResolvedConfiguration {
  const { configuration, problems } = readConfiguration({ ...input, ...changes });
  assert(configuration !== undefined, JSON.stringify(problems));
  const asked = {
    respond: prompt,
    judge: judgePrompt,
    training: judgePrompt,
    evaluation: { b: { pairwise: prompt } },
  };
  return {
    configuration,
    prompts: { category: null, complexity: null, similar: prompt, worse: null, ...asked },
  };
}

const fieldsOf = (first: ResolvedConfiguration, second: ResolvedConfiguration | ResolvedEvaluation) => {
  const { decides, carriedOut } = configurationDifference(first, second);
  const named = ({ field, was, is }: (typeof decides)[number]) => `${field}: ${was} -> ${is}`;
  return { decides: decides.map(named), carriedOut: carriedOut.map(named) };
};

describe('the difference of two configurations', () => {
  it('is none for a setting that says the same as its default, nor for the name', () => {
    const same = resolved({ runName: 'b', seed: 42, judging: { samples: 15 } });
    assert.deepEqual(fieldsOf(resolved({}), same), { decides: [], carriedOut: [] });
  });

  it('tells what decides from how it is carried out, by the paths of fields', () => {
    const other = resolved({
      seed: 7,
      models: { seed: { checkpoint: 'other/model' } },
      serving: { ...input.serving, servedName: 'other' },
      inference: { shardsAtOnce: 8 },
      instructions: { pool: ['a.jsonl'], shardSize: 7 },
      evaluation: { benchmarks: [{ ...benchmark, path: 'c.jsonl' }] },
    });
    const { decides, carriedOut } = fieldsOf(resolved({}), other);
    assert.deepEqual(decides, [
      'evaluation.benchmarks.b.path: "b.jsonl" -> "c.jsonl"',
      'models.seed.checkpoint: "embedded/model" -> "other/model"',
      'seed: 42 -> 7',
    ]);
    assert.deepEqual(
      carriedOut.map((line) => line.split(':')[0]),
      ['inference.shardsAtOnce', 'instructions.shardSize', 'serving.servedName'],
    );
  });

  it('is in the texts of prompts too, wherever they were read from', () => {
    const { decides } = fieldsOf(resolved({}), resolved({}, { user: 'another {instruction} {A} {B}' }));
    assert.deepEqual(
      decides.map((line) => line.replaceAll(/[0-9a-f]{8}/g, 'HASH')),
      ['prompts.judge.user: "text HASH" -> "text HASH"', 'prompts.training.user: "text HASH" -> "text HASH"'],
    );
  });

  it('of a run and an evaluation is in how they evaluate alone', () => {
    const { configuration } = resolved({ evaluation: { benchmarks: [benchmark], votes: 1, shardSize: 3 } });
    const { runName, seed, serving, evaluation, inference, timeouts } = configuration;
    const alone: ResolvedEvaluation = {
      configuration: {
        ...{ runName, seed, serving, inference, timeouts },
        models: { seed: { checkpoint: 'store:a/iteration-1/training/model' } },
        evaluation: { ...evaluation, sampling: { ...evaluation.sampling, maxTokens: 8 } },
      },
      prompts: { evaluation: { b: { pairwise: prompt } } },
    };
    assert.deepEqual(fieldsOf(resolved({}), alone), {
      decides: ['evaluation.sampling.maxTokens: 2048 -> 8'],
      carriedOut: ['evaluation.shardSize: 200 -> 3'],
    });
  });
});
