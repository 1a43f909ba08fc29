import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { canonicalJson } from '../../src/platform/canonical-json.ts';
import { runFingerprintInputs } from '../../src/config/fingerprint-inputs.ts';
import { parseConfiguration } from '../../src/config/parse-configuration.ts';

const file = resolve(import.meta.dirname, '../../temporal/inputs/embedded.json');
type Section = Record<string, unknown>;

/** What the embedded configuration means once `change` has been at it. */
function meaningWith(change: (input: Record<string, Section>) => void): string {
  const input = JSON.parse(readFileSync(file, 'utf8')) as Record<string, Section>;
  change(input);
  const { configuration, problems } = parseConfiguration(input);
  assert(configuration !== undefined, JSON.stringify(problems));
  return canonicalJson(runFingerprintInputs(configuration));
}
const set = (section: string, values: Section) =>
  meaningWith((input) => Object.assign((input[section] ??= {}), values));

describe('the fingerprint inputs of a configuration', () => {
  const asItIs = meaningWith(() => undefined);

  it('is the same however the run is carried out', () => {
    const otherServing = {
      kind: 'endpoint',
      baseUrl: 'http://box:8000/v1',
      servedModelName: 'judge-{iteration}',
    };
    const same: Record<string, string> = {
      'another endpoint': meaningWith((input) => Object.assign(input, { serving: otherServing })),
      'several endpoints': meaningWith((input) =>
        Object.assign(input, { serving: { ...otherServing, baseUrl: ['http://a/v1', 'http://b/v1'] } }),
      ),
      'an endpoint of its own for the model': meaningWith((input) =>
        Object.assign(input['models']?.['seed'] as Section, { serving: otherServing }),
      ),
      'requests in flight': set('inference', { concurrentRequestsPerShard: 3, concurrentShards: 1 }),
      'a push to the hub': set('publish', { model: 'someone/judge' }),
      'time-outs': set('timeouts', { heartbeatSeconds: 33 }),
      prices: meaningWith((input) => Object.assign(input, { prices: { gpuHour: 2, gpus: 8 } })),
      'shards of the pool': set('instructions', { shardSize: 7 }),
      'shards of the benchmark': set('evaluation', { shardSize: 7 }),
      'launcher and threads': set('fineTuning', {
        threads: 2,
        launcher: { kind: 'process', command: ['train', '{job}'] },
      }),
      trackers: set('fineTuning', { reportTo: ['wandb', 'mlflow'] }),
      'a default that is spelled out': set('filtering', { trainingPrompt: 'prompts/compact/judge' }),
      'the default marks of reasoning': set('reasoning', { marks: null }),
    };
    for (const [what, meaning] of Object.entries(same)) assert.equal(meaning, asItIs, what);
  });

  it('is the same for provided pairs whatever their shard size', () => {
    const given = (more: Section) =>
      meaningWith((input) => {
        delete input['instructions'];
        input['pairs'] = { kind: 'provided', files: ['p.jsonl'], ...more };
      });
    assert.equal(given({ shardSize: 7 }), given({}));
    assert.notEqual(given({ maxPairs: 7 }), given({}));
  });

  it('is another one where something else would come out', () => {
    const different: Record<string, string> = {
      seed: meaningWith((input) => Object.assign(input, { seed: 2 })),
      iterations: meaningWith((input) => Object.assign(input, { iterations: 4 })),
      'seed model': meaningWith((input) =>
        Object.assign(input['models']?.['seed'] as Section, { checkpoint: 'other' }),
      ),
      generator: set('models', { generator: { checkpoint: 'other' } }),
      'instructions kept': set('instructions', { maxInstructions: 499 }),
      'response sampling': set('pairs', { responseSampling: { temperature: 0.8, topP: 0.9, maxTokens: 8 } }),
      samples: set('judging', { samples: 7 }),
      balance: set('filtering', { balance: false }),
      'learning rate': set('fineTuning', {
        rounds: [{ method: 'sft', hyperparameters: { learningRate: 1e-5 } }],
      }),
      'evaluation prompt': set('evaluation', { prompt: 'prompts/pairwise' }),
      'early stopping': set('earlyStopping', { patience: 2 }),
      'least gain': set('earlyStopping', { patience: 2, minDelta: 0.01 }),
      'how samples are drawn': set('judging', { strategy: { kind: 'until-correct', initialBatchSize: 3 } }),
      'the marks of reasoning': set('reasoning', { marks: [{ end: '</plan>' }] }),
      'reasoning in training data': set('filtering', { reasoning: 'drop' }),
      'guesses in training data': set('filtering', { minReasoning: 5 }),
      'judgments of an example': set('filtering', { judgmentsPerExample: 2 }),
      'metric of model selection': set('modelSelection', { metric: 'positionConsistentAccuracy' }),
    };
    for (const [what, meaning] of Object.entries(different)) assert.notEqual(meaning, asItIs, what);
  });
});
