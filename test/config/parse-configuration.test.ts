import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { roundForIteration } from '../../src/config/fine-tuning.ts';
import { requireGeneration } from '../../src/config/pair-source.ts';
import { parseConfiguration } from '../../src/config/parse-configuration.ts';

const embedded = resolve(import.meta.dirname, '../../temporal/inputs/embedded.json');

/** The least that a configuration must say. */
function least(): Record<string, unknown> {
  return {
    runName: 'test',
    models: { seed: { checkpoint: 'some/model' } },
    serving: { kind: 'endpoint', baseUrl: 'http://127.0.0.1:8000/v1', servedModelName: 'judge-{iteration}' },
    instructions: { pool: ['pool.jsonl'] },
    evaluation: {
      benchmarks: [{ name: 'test', format: 'reward-bench', path: 'test.jsonl', purpose: 'test' }],
    },
  };
}

function problemsOf(changes: Record<string, unknown>): Record<string, string> {
  const { problems } = parseConfiguration({ ...least(), ...changes });
  return Object.fromEntries(problems.map(({ path, message }) => [path, message]));
}

describe('parsing a configuration', () => {
  it("fills in the paper's settings as defaults", () => {
    const { configuration, problems } = parseConfiguration(least());
    assert.deepEqual(problems, []);
    assert(configuration !== undefined);
    const { judging, filtering, fineTuning } = configuration;
    const { pairs } = requireGeneration(configuration);
    assert.equal(configuration.iterations, 5);
    assert.equal(pairs.calls, 'one');
    assert.equal(pairs.similarPrompt, 'prompts/similar-with-response');
    assert.equal(judging.samples, 15);
    assert.deepEqual(judging.sampling, { temperature: 0.7, topP: 0.9, maxTokens: 4096 });
    assert.equal(judging.prompt, 'prompts/pairwise');
    assert.equal(filtering.balance, true);
    const { method, initFrom, hyperparameters } = roundForIteration(fineTuning, 5);
    assert.deepEqual([method, initFrom], ['sft', 'seed']);
    const { learningRate, lrScheduler, minLrRatio, warmupSteps, epochs } = hyperparameters;
    assert.deepEqual(
      { learningRate, lrScheduler, minLrRatio, warmupSteps, epochs },
      { learningRate: 1e-6, lrScheduler: 'cosine', minLrRatio: 0.2, warmupSteps: 100, epochs: 2 },
    );
    // By default each benchmark is sampled as its official script does.
    assert.equal(configuration.evaluation.sampling, undefined);
  });

  it("uses the prompt for x' alone if there are two calls", () => {
    const { configuration } = parseConfiguration({ ...least(), pairs: { calls: 'two' } });
    assert(configuration !== undefined);
    assert.equal(requireGeneration(configuration).pairs.similarPrompt, 'prompts/similar');
  });

  it('finds nothing wrong with temporal/inputs/embedded.json', () => {
    const input: unknown = JSON.parse(readFileSync(embedded, 'utf8'));
    assert.deepEqual(parseConfiguration(input).problems, []);
  });

  it('names all problems at once, by path, with the value found and the values allowed', () => {
    const { runName: _runName, ...rest } = least();
    const { configuration, problems } = parseConfiguration({
      ...rest,
      seed: -1,
      serving: { kind: 'endpoint', baseUrl: 'ftp://box/v1', servedModelName: 'judge-{iteration}' },
      pairs: { calls: 'three' },
      judging: { samples: '15', sampling: { temperature: 3, topP: 0.9, maxTokens: 10 } },
      evaluation: { benchmarks: [{ name: 'test', format: 'mr-bench', path: 't.jsonl', purpose: 'test' }] },
    });
    assert.equal(configuration, undefined);
    const messages = Object.fromEntries(problems.map(({ path, message }) => [path, message]));
    assert.deepEqual(Object.keys(messages).sort(), [
      'evaluation.benchmarks.0.format',
      'judging.samples',
      'judging.sampling.temperature',
      'pairs.calls',
      'runName',
      'seed',
      'serving.baseUrl',
    ]);
    assert.equal(messages['runName'], 'missing: expected string');
    assert.match(messages['seed'] ?? '', />=0; found -1$/);
    assert.match(messages['serving.baseUrl'] ?? '', /http or https URL; found "ftp:\/\/box\/v1"$/);
    assert.match(messages['pairs.calls'] ?? '', /"one"\|"two"; found "three"$/);
    assert.match(messages['judging.samples'] ?? '', /expected number.*; found "15"$/);
    assert.match(messages['judging.sampling.temperature'] ?? '', /<=2; found 3$/);
    assert.match(messages['evaluation.benchmarks.0.format'] ?? '', /"reward-bench".*; found "mr-bench"$/);
  });

  it('accepts several addresses with one key or one key for each, and names a wrong number of keys', () => {
    const serving = (changes: object) => ({
      serving: {
        kind: 'endpoint',
        servedModelName: 'judge-{iteration}',
        baseUrl: ['http://a/v1', 'http://b/v1'],
        ...changes,
      },
    });
    assert.deepEqual(problemsOf(serving({})), {});
    assert.deepEqual(problemsOf(serving({ apiKeyEnv: 'KEY' })), {});
    assert.deepEqual(problemsOf(serving({ apiKeyEnv: ['KEY_A', 'KEY_B'] })), {});
    const few = problemsOf(serving({ apiKeyEnv: ['KEY_A'] }));
    assert.match(few['serving.apiKeyEnv'] ?? '', /found 1 for 2 addresses: .* one for each/);
    const twice = problemsOf(serving({ baseUrl: ['http://a/v1', 'http://b/v1', 'http://a/v1'] }));
    assert.deepEqual(twice, { 'serving.baseUrl.2': 'found the address of serving.baseUrl.0 again' });
    const own = problemsOf({
      models: { seed: { checkpoint: 'm', ...serving({ apiKeyEnv: ['KEY_A'] }) } },
    });
    assert.match(own['models.seed.serving.apiKeyEnv'] ?? '', /found 1 for 2/);
    const wrong: [unknown, string, RegExp][] = [
      [[], 'serving.baseUrl', />=1 items; found \[\]/],
      [['http://a/v1', 'b'], 'serving.baseUrl.1', /expected an http or https URL; found "b"/],
      [7, 'serving.baseUrl', /expected an http or https URL, or a list of them; found 7/],
    ];
    for (const [baseUrl, path, message] of wrong)
      assert.match(problemsOf(serving({ baseUrl }))[path] ?? '', message);
  });

  it('refuses serving that answers with the same model for every judge of a run, and accepts it for other models', () => {
    const endpoint = (servedModelName: string) => ({
      kind: 'endpoint',
      baseUrl: 'http://a/v1',
      servedModelName,
    });
    const command = (words: string[], servedModelName?: string) => ({
      ...{ kind: 'command', command: words },
      ...(servedModelName === undefined ? {} : { servedModelName }),
    });
    const same = /the same model would answer|with the same model for the seed model and for every judge/;
    for (const serving of [endpoint('judge'), endpoint('{runName}'), endpoint('judge{ iteration }')])
      assert.match(problemsOf({ serving })['serving.servedModelName'] ?? '', same);
    for (const serving of [
      command(['serve', '--port', '{port}'], 'judge'),
      command(['serve', '{servedModelName}'], '{runName}'),
      { ...command(['serve', '--port', '{port}'], 'judge'), kind: 'slurm' },
    ])
      assert.match(problemsOf({ serving })['serving.command'] ?? '', same);
    for (const serving of [
      endpoint('{checkpoint}'),
      command(['serve', '{checkpoint}'], 'judge'),
      command(['serve', '--port', '{port}'], '{checkpoint}'),
    ])
      assert.deepEqual(problemsOf({ serving }), {});

    const models = (changes: object) => ({ models: { seed: { checkpoint: 'm' }, ...changes } });
    const own = models({ seed: { checkpoint: 'm', serving: endpoint('judge') } });
    assert.deepEqual(Object.keys(problemsOf(own)), ['models.seed.serving.servedModelName']);
    const others = { checkpoint: 'n', serving: endpoint('large') };
    assert.deepEqual(problemsOf(models({ generator: others, firstJudge: others })), {});
    const seed = { checkpoint: 'm', serving: endpoint('judge-{iteration}') };
    assert.deepEqual(problemsOf({ ...models({ seed }), serving: endpoint('large') }), {});
  });

  it('names the known fields beside an unknown one, at any depth', () => {
    const benchmark = { name: 'test', format: 'reward-bench', path: 't.jsonl', purpose: 'test', limit: 3 };
    const problems = problemsOf({
      iteration: 3,
      judging: { sample: 3 },
      pairs: { call: 'one' },
      serving: { kind: 'command', command: ['serve'], port: 8000 },
      evaluation: { benchmarks: [benchmark] },
      models: {
        seed: {
          checkpoint: 'm',
          serving: { kind: 'endpoint', baseUrl: 'http://a', servedModelName: 'b', key: 'c' },
        },
      },
    });
    const known = (path: string) =>
      /^unknown field; known here: (.*)$/.exec(problems[path] ?? '')?.[1]?.split(', ');
    assert(known('iteration')?.includes('iterations'));
    assert(!known('iteration')?.includes('$schema'));
    assert.deepEqual(known('judging.sample'), ['prompt', 'samples', 'plan', 'strategy', 'sampling']);
    assert(known('pairs.call')?.includes('calls'));
    assert(known('serving.port')?.includes('command'));
    assert(!known('serving.port')?.includes('baseUrl'));
    assert.deepEqual(known('evaluation.benchmarks.0.limit'), [
      'name',
      'format',
      'path',
      'purpose',
      'prompt',
      'sampling',
      'probabilities',
    ]);
    assert.deepEqual(known('models.seed.serving.key'), [
      'kind',
      'baseUrl',
      'servedModelName',
      'apiKeyEnv',
      'apiKeyHeader',
    ]);
  });

  it('refuses a name that no environment variable can have', () => {
    const problems = problemsOf({
      serving: { kind: 'command', command: ['serve'], environment: { 'A B': '1' } },
    });
    assert.match(
      problems['serving.environment.A B'] ?? '',
      /"A B"; allowed: the name of an environment variable/,
    );
  });

  it('publishes nothing without a repository, and privately by default', () => {
    const { configuration } = parseConfiguration(least());
    assert.equal(configuration?.publish, undefined);
    const published = parseConfiguration({ ...least(), publish: { model: 'me/judge' } }).configuration
      ?.publish;
    assert.equal(published?.private, true);
    assert.equal(published.tokenEnv, 'HF_TOKEN');
    assert.match(problemsOf({ publish: {} })['publish'] ?? '', /there is nothing to push/);
    assert.match(problemsOf({ publish: { model: 'judge' } })['publish.model'] ?? '', /"owner\/name"/);
    assert.match(
      problemsOf({ publish: { dataset: 'me/data', tokenEnv: 'hf_my-token' } })['publish.tokenEnv'] ?? '',
      /environment variable/,
    );
  });

  it('refuses a run name that leaves its folder or hides it', () => {
    const names = [
      '../other',
      'a/b',
      'a\\b',
      '..',
      '.hidden',
      '',
      'a..b',
      '/tmp/x',
      'x'.repeat(64),
      'a\nb',
      'é',
    ];
    for (const runName of names) assert('runName' in problemsOf({ runName }), runName);
    for (const runName of ['a', 'embedded-2', 'Llama_3.1', 'x'.repeat(63)])
      assert.deepEqual(problemsOf({ runName }), {});
  });

  it('finds names that are missing in another list, or occur twice', () => {
    const { benchmarks } = least()['evaluation'] as { benchmarks: object[] };
    const problems = problemsOf({
      instructions: { pool: ['p.jsonl'], categories: { names: ['a', 'b'], keep: ['a', 'c'] } },
      evaluation: { benchmarks: [...benchmarks, ...benchmarks] },
      pairs: { limits: [{ kind: 'words' }, { kind: 'sentences' }, { kind: 'words', share: 1 }] },
    });
    assert.match(problems['pairs.limits.2.kind'] ?? '', /another limit "words"/);
    assert.match(problems['instructions.categories.keep.1'] ?? '', /"c".*names: a, b$/);
    assert.match(
      problems['evaluation.benchmarks.1.name'] ?? '',
      /"test", the name of evaluation\.benchmarks\.0/,
    );
  });

  it('lists the kinds of a section that has another one, or none', () => {
    const problems = problemsOf({ pairs: { limits: [{ kind: 'word' }, {}] } });
    assert.match(problems['pairs.limits.0.kind'] ?? '', /^expected one of "words"\|.*-word"; found "word"$/);
    assert.match(problems['pairs.limits.1.kind'] ?? '', /^missing: expected one of "words"\|.*-word"$/);
  });

  it('refuses settings that need all samples of an example if sampling ends early', () => {
    const problems = problemsOf({
      judging: {
        strategy: { kind: 'until-correct', initialBatchSize: 20 },
        sampling: { temperature: 0, topP: 1, maxTokens: 9 },
      },
      filtering: { target: 'majority-vote', majorityThreshold: 0.5, judgmentsPerExample: 16 },
    });
    assert.deepEqual(Object.keys(problems).sort(), [
      'filtering.judgmentsPerExample',
      'filtering.majorityThreshold',
      'filtering.target',
      'judging.sampling.temperature',
      'judging.strategy.initialBatchSize',
    ]);
    assert.match(
      problems['filtering.target'] ?? '',
      /"majority-vote".*all N samples, so set judging\.strategy to/,
    );
    assert.match(problems['filtering.judgmentsPerExample'] ?? '', /16, more than judging\.samples \(15\)/);
    const withAll = {
      filtering: { target: 'majority-vote', majorityThreshold: 0.5, judgmentsPerExample: 15 },
    };
    assert.deepEqual(problemsOf(withAll), {});
  });

  it('refuses human data with a name that is in use, and a run that would train on nothing', () => {
    const named = (name: string) => ({ name, path: 'h.jsonl' });
    const problems = problemsOf({ filtering: { humanData: [named('generated'), named('a'), named('a')] } });
    assert.match(problems['filtering.humanData.0.name'] ?? '', /the pairs that the run generates/);
    assert.match(problems['filtering.humanData.2.name'] ?? '', /the name of filtering\.humanData\.1/);
    assert.deepEqual(Object.keys(problemsOf({ filtering: { generatedWeight: 0 } })), [
      'filtering.generatedWeight',
    ]);
    assert.deepEqual(problemsOf({ filtering: { generatedWeight: 0, humanData: [named('a')] } }), {});
  });

  it('accepts provided pairs instead of instructions, and refuses settings that would make pairs as well', () => {
    const { instructions, ...others } = least();
    const given = { kind: 'provided', files: ['pairs.jsonl'] };
    const { configuration, problems } = parseConfiguration({ ...others, pairs: given });
    assert.deepEqual(problems, []);
    assert.deepEqual(configuration?.pairs, {
      ...given,
      format: 'auto',
      decontamination: { ngramSize: 13, minWords: 8 },
      limits: [],
      maxPairs: null,
      parts: 1,
      shardSize: 200,
      tasks: [],
    });
    const paths = (input: object) => parseConfiguration(input).problems.map(({ path }) => path);
    const humanData = [{ name: 'people', path: 'p.jsonl' }];
    const models = { seed: { checkpoint: 'm' }, generator: { checkpoint: 'g' } };
    assert.deepEqual(paths({ ...others, instructions, models, pairs: given, filtering: { humanData } }), [
      'instructions',
      'filtering.humanData',
      'models.generator',
    ]);
    assert.match(
      parseConfiguration(others).problems[0]?.message ?? '',
      /^missing: the pool .*"kind": "provided"/,
    );
    assert.deepEqual(paths({ ...others, pairs: { kind: 'provided' } }), ['pairs.files']);
    assert.deepEqual(paths({ ...others, pairs: { kind: 'made', files: ['p'] } }), ['pairs.kind']);
    const [unknown] = parseConfiguration({ ...others, pairs: { ...given, calls: 'two' } }).problems;
    assert.equal(unknown?.path, 'pairs.calls');
    assert.match(
      unknown.message,
      /unknown field; known here: kind, files, format, decontamination, maxPairs/,
    );
  });

  it('refuses model selection by a benchmark that the run does not have', () => {
    const problems = problemsOf({ modelSelection: { benchmark: 'tset' } });
    assert.match(
      problems['modelSelection.benchmark'] ?? '',
      /"tset".*not among evaluation\.benchmarks: test$/,
    );
    assert.deepEqual(
      problemsOf({ modelSelection: { benchmark: 'test', metric: 'positionConsistentAccuracy' } }),
      {},
    );
  });

  it('refuses to select checkpoints without a validation benchmark, or if they all have one name', () => {
    const benchmark = { name: 'v', format: 'rm-bench', path: 'a.json', purpose: 'validation' };
    const evaluation = { benchmarks: [benchmark, { ...benchmark, name: 't', purpose: 'test' }] };
    const serving = { kind: 'endpoint', baseUrl: 'http://127.0.0.1:1/v1', servedModelName: '{checkpoint}' };
    const round = { method: 'sft', selectCheckpoint: { everySteps: 10 } };
    const fineTuning = { rounds: [{ method: 'sft' }, round] };
    const path = 'fineTuning.rounds.1.selectCheckpoint';
    const found = (changes: object) => problemsOf({ fineTuning, serving, evaluation, ...changes });
    assert.deepEqual(found({}), {});
    const onlyTest = { benchmarks: [evaluation.benchmarks[1]] };
    assert.match(found({ evaluation: onlyTest })[path] ?? '', /no benchmark .* "validation".*: add one$/);
    assert.match(
      found({ modelSelection: { benchmark: 't' } })[path] ?? '',
      /"t", which is not a benchmark with the purpose "validation"/,
    );
    assert.match(
      found({ serving: { ...serving, servedModelName: 'judge-{iteration}' } })[path] ?? '',
      /serving does not tell .* apart: write \{checkpoint\}/,
    );
    const command = { kind: 'command', command: ['vllm', 'serve', '{checkpoint}', '--port', '{port}'] };
    assert.deepEqual(found({ serving: command }), {});
    const rounds = [{ method: 'sft', selectCheckpoint: { everySteps: 0 } }];
    assert.deepEqual(Object.keys(found({ fineTuning: { rounds } })), [
      'fineTuning.rounds.0.selectCheckpoint.everySteps',
    ]);
  });

  it('refuses votes at temperature 0, which would all be the same', () => {
    const benchmark = { name: 'a', format: 'rm-bench', path: 'a.json', purpose: 'test' };
    const warm = { temperature: 0.7, topP: 0.9, maxTokens: 9 };
    const cold = { ...warm, temperature: 0 };
    const votes = (evaluation: object) =>
      Object.keys(problemsOf({ evaluation: { benchmarks: [benchmark], votes: 32, ...evaluation } }));
    assert.deepEqual(votes({}), ['evaluation.sampling.temperature']);
    assert.deepEqual(votes({ votes: 1 }), []);
    assert.deepEqual(votes({ sampling: warm }), []);
    assert.deepEqual(votes({ benchmarks: [{ ...benchmark, sampling: warm }] }), []);
    assert.deepEqual(votes({ sampling: warm, benchmarks: [{ ...benchmark, sampling: cold }] }), [
      'evaluation.benchmarks.0.sampling.temperature',
    ]);
  });

  it('finds problems between fields even if other fields are invalid', () => {
    const problems = problemsOf({
      seed: 'one',
      instructions: { pool: ['p.jsonl'], categories: { names: ['a', 'b'], keep: ['c'] } },
    });
    assert.deepEqual(Object.keys(problems).sort(), ['instructions.categories.keep.0', 'seed']);
  });

  it('returns the usable sections without their invalid fields', () => {
    const { usable } = parseConfiguration({
      ...least(),
      runName: 'a/b',
      serving: { kind: 'endpoint' },
      judging: { prompt: 'prompts/mine', samples: 0, unknown: 1 },
      instructions: { pool: [1, 2, 'pool.jsonl', 3] },
    });
    assert.equal(usable.runName, undefined);
    assert.equal(usable.serving, undefined);
    assert.equal(usable.judging?.prompt, 'prompts/mine');
    assert.equal(usable.judging?.samples, 15);
    assert.deepEqual(usable.instructions?.pool, ['pool.jsonl']);
    assert.equal(usable.models?.seed.checkpoint, 'some/model');
    assert.equal(usable.filtering?.minExamples, 16);
  });

  it('refuses anything but an object', () => {
    for (const input of [undefined, null, 'text', 3, []]) {
      const { problems, configuration } = parseConfiguration(input);
      assert.equal(configuration, undefined);
      assert.deepEqual(
        problems.map(({ path }) => path),
        ['configuration'],
      );
    }
  });
});
