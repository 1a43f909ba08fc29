import assert from 'node:assert/strict';
import type { ResolvedConfiguration, ResolvedEvaluation } from '../../src/runs/open-run.ts';
import { parseConfiguration } from '../../src/config/parse-configuration.ts';
import { configurationDifference } from '../../src/runs/configuration-difference.ts';

const benchmark = { name: 'b', format: 'reward-bench', path: 'b.jsonl', purpose: 'test' };
const input = {
  runName: 'a',
  models: { seed: { checkpoint: 'embedded/model' } },
  serving: { kind: 'endpoint', baseUrl: 'http://127.0.0.1:1/v1', servedModelName: 'judge-{iteration}' },
  instructions: { pool: ['a.jsonl'] },
  evaluation: { benchmarks: [benchmark] },
};
const prompt = { user: '{instruction} {A} {B}' };

function resolved(changes: object, judgePrompt = prompt): ResolvedConfiguration {
  const { configuration, problems } = parseConfiguration({ ...input, ...changes });
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
  const { resultFields: decides, executionFields: carriedOut } = configurationDifference(first, second);
  const named = ({ field, before: was, after: is }: (typeof decides)[number]) => `${field}: ${was} -> ${is}`;
  return { decides: decides.map(named), carriedOut: carriedOut.map(named) };
};

describe('the difference of two configurations', () => {
  it('ignores a setting that equals its default, and the name', () => {
    const same = resolved({ runName: 'b', seed: 42, judging: { samples: 15 } });
    assert.deepEqual(fieldsOf(resolved({}), same), { decides: [], carriedOut: [] });
  });

  it('separates settings that affect the results from others, by the paths of fields', () => {
    const other = resolved({
      seed: 7,
      models: { seed: { checkpoint: 'other/model' } },
      serving: { ...input.serving, servedModelName: 'other-{iteration}' },
      inference: { concurrentShards: 8 },
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
      ['inference.concurrentShards', 'instructions.shardSize', 'serving.servedModelName'],
    );
  });

  it('includes the texts of prompts, whichever file they come from', () => {
    const { decides } = fieldsOf(resolved({}), resolved({}, { user: 'another {instruction} {A} {B}' }));
    assert.deepEqual(
      decides.map((line) => line.replaceAll(/[0-9a-f]{8}/g, 'HASH')),
      ['prompts.judge.user: "text HASH" -> "text HASH"', 'prompts.training.user: "text HASH" -> "text HASH"'],
    );
  });

  it('of a run and an evaluation only includes settings of the evaluation', () => {
    const { configuration } = resolved({ evaluation: { benchmarks: [benchmark], votes: 1, shardSize: 3 } });
    const { runName, seed, serving, evaluation, reasoning, inference, timeouts } = configuration;
    const alone: ResolvedEvaluation = {
      configuration: {
        ...{ runName, seed, serving, reasoning, inference, timeouts },
        models: { seed: { checkpoint: 'store:a/iteration-1/training/model' } },
        evaluation: { ...evaluation, sampling: { temperature: 0, topP: 1, maxTokens: 8 } },
      },
      prompts: { evaluation: { b: { pairwise: prompt } } },
    };
    assert.deepEqual(fieldsOf(resolved({}), alone), {
      decides: ['evaluation.sampling: not set -> {"maxTokens":8,"temperature":0,"topP":1}'],
      carriedOut: ['evaluation.shardSize: 200 -> 3'],
    });
  });
});
