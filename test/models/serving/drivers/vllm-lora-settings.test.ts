import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { toRunPlan } from '../../../../src/activities/plan-run.ts';
import type { RunPlan } from '../../../../src/api/activity-types.ts';
import { keepsAdapter } from '../../../../src/config/model-roles.ts';
import { parseConfiguration } from '../../../../src/config/parse-configuration.ts';
import { servingDriverOf, servingSchema } from '../../../../src/models/serving/drivers/registry.ts';
import { withAddress } from '../../../../src/models/serving/drivers/server-spec.ts';
import { packageRoot } from '../../../../src/platform/package-root.ts';

const file = join(packageRoot, 'temporal/inputs/single-gpu-8b-lora.json');
const example = JSON.parse(readFileSync(file, 'utf8')) as { fineTuning: { rounds: object[] } };

describe('the settings of vLLM with adapters', () => {
  const parse = (serving: object, adapter: object = { kind: 'lora', rank: 32 }, rest: object = {}) =>
    parseConfiguration({
      ...example,
      serving: { kind: 'vllm-lora', ...serving },
      fineTuning: { ...example.fineTuning, adapter },
      ...rest,
    });
  const problems = (...input: Parameters<typeof parse>) =>
    parse(...input).problems.map(({ path, message }) => `${path}: ${message}`);

  it('need no command, and take the rank from the training', () => {
    const { configuration } = parse({
      arguments: ['--max-model-len', '8192'],
      servedModelName: 'judge-{iteration}',
    });
    assert(configuration !== undefined);
    assert(keepsAdapter(configuration), 'the trainer saves what is served');
    const serverOf = (adapterRank?: number, changed: object = {}) => {
      const settings = { ...configuration.serving, ...changed };
      const driver = servingDriverOf(settings);
      assert(driver.needsMachine);
      const { command, environment, key, adapterFolder } = driver.server(settings, {
        ...{ python: 'python3', storeRoot: '/store', packageRoot: '/package', cacheFolder: '/cache' },
        ...{
          checkpoint: '/models/base',
          servedModelName: 'base-1',
          adapterRank,
          adapterRoot: '/machine/adapters',
        },
      });
      return {
        command: withAddress(command, { host: 'h', port: 1 }).join(' '),
        environment,
        key,
        adapterFolder,
      };
    };
    const server = serverOf(33);
    assert.equal(
      server.command,
      'vllm serve /models/base --served-model-name base-1 --host h --port 1 --generation-config vllm --disable-uvicorn-access-log ' +
        '--max-model-len 8192 --enable-lora --max-lora-rank 64 --max-loras 2',
    );
    assert.equal(server.adapterFolder, `/machine/adapters/${server.key}`);
    assert.deepEqual(server.environment, {
      VLLM_ALLOW_RUNTIME_LORA_UPDATING: 'True',
      VLLM_LORA_RESOLVER_CACHE_DIR: server.adapterFolder,
    });
    for (const [rank, option] of [
      [1, 1],
      [2, 8],
      [16, 16],
      [257, 320],
      [512, 512],
    ] as const)
      assert.match(serverOf(rank).command, new RegExp(`--max-lora-rank ${option} `));
    assert.match(serverOf(4, { maxLoraRank: 128 }).command, /--max-lora-rank 128 /);
    const called = serverOf(33, { adapterLoading: 'call' });
    assert.deepEqual(called.environment, { VLLM_ALLOW_RUNTIME_LORA_UPDATING: 'True' });
    assert.notEqual(called.key, server.key);
    const alone = serverOf();
    assert(!alone.command.includes('lora') && alone.adapterFolder === undefined);
  });

  it('refuse a training of all weights, and a rank that the server has no room for', () => {
    assert.deepEqual(problems({}, { kind: 'none' }), [
      'fineTuning.adapter: found the kind "none" beside serving.kind "vllm-lora", which serves each trained judge as an adapter of its base: ' +
        'set it to {"kind": "lora"} to train adapters, or serve whole checkpoints by the kind "command"',
    ]);
    assert.deepEqual(problems({ maxLoraRank: 16 }), [
      'fineTuning.adapter.rank: found 32, more than serving.maxLoraRank (16): leave maxLoraRank out, and it follows from the rank',
    ]);
    assert.match(
      problems({}, { kind: 'lora', rank: 513 }).join(),
      /found 513, more than 512, the largest rank that vLLM serves/,
    );
    assert.equal(problems({ maxLoraRank: 17 }).length, 1);
    // Another model than the seed model has no judges.
    const models = {
      seed: { checkpoint: 'a/b' },
      generator: { checkpoint: 'c/d', serving: { kind: 'vllm-lora' } },
    };
    assert.deepEqual(
      problems({ kind: 'command', command: ['serve', '{checkpoint}'] }, { kind: 'none' }, { models }),
      [],
    );
    const own = { seed: { checkpoint: 'a/b', serving: { kind: 'vllm-lora' } } };
    assert.match(
      problems({ kind: 'command', command: ['serve'] }, { kind: 'none' }, { models: own }).join(),
      /beside models.seed.serving.kind/,
    );
  });

  it('let the server run while the judges are trained, unless they leave the seed model', () => {
    const { rounds } = example.fineTuning;
    const stopped = (serving: object, initFrom: string[]) => {
      const fineTuning = {
        rounds: initFrom.map((from) => ({ ...rounds[0], initFrom: from })),
        adapter: { kind: 'lora', rank: 8 },
      };
      const input = { ...example, serving: { kind: 'vllm-lora', ...serving }, fineTuning };
      const { configuration, problems: found } = parseConfiguration(input);
      assert(configuration !== undefined, JSON.stringify(found));
      const run = { runName: 'r', configuration: { uri: 'c', sha256: '', records: 1, fingerprint: '' } };
      return toRunPlan(configuration, run as unknown as RunPlan['run'], []).stopServersWhileTraining;
    };
    assert.equal(stopped({}, ['seed']), 'never');
    assert.equal(stopped({ stopWhileTraining: true }, ['seed']), 'always');
    assert.equal(stopped({}, ['previous', 'seed']), 'never', 'M_1 always starts from the seed model');
    assert.equal(stopped({}, ['seed', 'previous']), 'always');
    assert.equal(stopped({}, ['previous']), 'always');
  });

  it('refuse what contradicts them in a command or in variables', () => {
    const command = ['vllm', 'serve', '{checkpoint}', '--served-model-name', '{servedModelName}'];
    assert.deepEqual(problems({ command }), []);
    const cases: readonly (readonly [object, RegExp])[] = [
      [{ command: command.slice(0, 3) }, /serving.command: does not contain \{servedModelName\}/],
      [{ command: ['vllm', 'serve', 'base', ...command.slice(3)] }, /does not contain \{checkpoint\}/],
      [{ arguments: ['--enable-lora'] }, /contains --enable-lora: remove it/],
      [{ arguments: ['--max-lora-rank=64'] }, /contains --max-lora-rank: remove it, and set maxLoraRank/],
      [{ arguments: ['--api-server-count', '4'] }, /asks for 4 API servers.*remove --api-server-count/],
      [{ arguments: ['-dp', '2'] }, /--data-parallel-size 2.*add --api-server-count 1/],
      [{ arguments: ['--data-parallel-size=8'] }, /--data-parallel-size 8/],
      [
        { environment: { VLLM_LORA_RESOLVER_CACHE_DIR: '/mine' } },
        /serving.environment.VLLM_LORA_RESOLVER_CACHE_DIR: remove it/,
      ],
      [{ environment: { VLLM_PLUGINS: 'mine' } }, /VLLM_PLUGINS is "mine", without lora_filesystem_resolver/],
    ];
    for (const [serving, expected] of cases) {
      const found = problems(serving);
      assert.equal(found.length, 1, found.join('\n'));
      assert.match(found[0] ?? '', expected);
    }
    assert.deepEqual(problems({ arguments: ['-dp', '2', '--api-server-count', '1'] }), []);
    assert.deepEqual(problems({ environment: { VLLM_PLUGINS: 'mine' }, adapterLoading: 'call' }), []);
  });

  it('are checked on the machine: the program, placeholders and the plugins of the worker', async () => {
    const check = async (changed: object, environment: Record<string, string>) => {
      const settings = servingSchema.parse({ kind: 'vllm-lora', ...changed });
      const driver = servingDriverOf(settings);
      const found = await driver.check({
        ...{ path: 'serving', settings, checkpoint: 'm', runName: 'r', python: undefined, environment },
      });
      return found.map(({ path, message }) => `${path}: ${message}`).join('\n');
    };
    assert.match(await check({}, { PATH: '/nowhere' }), /serving.command.0: no program vllm on the PATH/);
    assert.match(
      await check({ arguments: ['{rank}'] }, {}),
      /serving.arguments.0: unknown placeholder \{rank\}/,
    );
    assert.match(
      await check({}, { VLLM_PLUGINS: 'mine' }),
      /VLLM_PLUGINS of the worker's environment is "mine", without lora_filesystem_resolver/,
    );
    assert.match(await check({ apiKeyEnv: 'KEY' }, {}), /serving.apiKeyEnv: names KEY/);
  });
});
