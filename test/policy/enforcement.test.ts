/** Each activity keeps to the policy itself: the configuration may have been checked by another worker. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { copyToBucket } from '../../src/activities/copy-to-bucket.ts';
import type { Dependencies } from '../../src/activities/dependencies.ts';
import { fineTune } from '../../src/activities/fine-tune.ts';
import { preflightGpu, preflightInference } from '../../src/activities/preflight.ts';
import { preparePool } from '../../src/activities/prepare-pool.ts';
import { pushOutputs } from '../../src/activities/push-outputs.ts';
import { resolveModel } from '../../src/activities/resolve-model.ts';
import { serveModel } from '../../src/activities/serve-model.ts';
import { createInferenceClient } from '../../src/models/inference/client.ts';
import type { ConfigurationInput } from '../../src/config/run-configuration.ts';
import { packageRoot } from '../../src/platform/package-root.ts';
import { connectionGuard, type ServerPlace } from '../../src/policy/connection-guard.ts';
import { inputGuard } from '../../src/policy/input-guard.ts';
import { policySchema } from '../../src/policy/policy-schema.ts';
import { openRun } from '../../src/runs/open-run.ts';
import { asActivity, startTestRun, type TestRun } from '../support/test-run.ts';

/** Programs of the configurations leave it. */
const trace = join(tmpdir(), `launched-${process.pid}`);
const MODEL = { checkpoint: 'embedded/model', sha256: 'hash' };

describe('a worker with a policy, whatever another worker has checked', () => {
  let testRun: TestRun;
  afterEach(() => testRun.close());

  async function strictRun(changes: Partial<ConfigurationInput>, rules: object = {}): Promise<Dependencies> {
    testRun = await startTestRun(changes);
    const policy = { rules: policySchema.parse(rules), description: 'strict' };
    const guard = inputGuard(policy, [join(testRun.folder, 'data'), packageRoot]);
    await mkdir(join(testRun.folder, 'data'));
    return { ...testRun.deps, policy, files: { ...testRun.deps.files, guard } };
  }
  const refused = async (work: () => Promise<unknown>, ...messages: RegExp[]) => {
    const error: unknown = await asActivity(work).catch((thrown: unknown) => thrown);
    assert(error instanceof Error && error.name === 'InvalidInput', String(error));
    for (const message of messages) assert.match(error.message, message);
  };

  it('starts no model server with a program of the configuration', async () => {
    const deps = await strictRun({
      serving: { kind: 'command', command: ['sh', '-c', `touch ${trace}`, '{checkpoint}'] },
    });
    const { run } = testRun;
    await refused(
      () => serveModel(deps, { run, model: MODEL, iteration: 0, role: 'seed' }),
      /serving\.command: the worker's policy/,
    );
    assert(!existsSync(trace));
  });

  it('starts no trainer with a program, a tracker or code that the policy does not allow', async () => {
    const deps = await strictRun({
      fineTuning: {
        launcher: { kind: 'process', command: ['sh', '-c', `touch ${trace}`, '{job}'] },
        ...{ reportTo: ['mlflow'], trustRemoteCode: true },
      },
    });
    const { run } = testRun;
    const trainingSet = await testRun.publish('set', [{ prompt: [], completion: [] }], 1);
    await refused(
      () => fineTune(deps, { run, iteration: 1, base: MODEL, trainingSet }),
      /fineTuning\.launcher\.command: /,
      /fineTuning\.reportTo\.0: /,
      /fineTuning\.trustRemoteCode: /,
    );
    assert(!existsSync(trace));
  });

  it('publishes to no repository and no bucket of the configuration', async () => {
    const deps = await strictRun({ publish: { model: 'some/judge' } });
    const { run } = testRun;
    await refused(() => pushOutputs(deps, { run, best: 1, iterations: 1 }), /publish\.model: /);
    await refused(() => copyToBucket(deps, { run, to: 's3://bucket/prefix' }), /publishTo: /);
  });

  it('reads no pool, no checkpoint and no repository outside of its folders', async () => {
    const deps = await strictRun({
      models: { seed: { checkpoint: 'some/model' }, generator: { checkpoint: '/etc' } },
      instructions: { pool: ['data/link.jsonl'] },
    });
    const { run, folder } = testRun;
    await writeFile(join(folder, 'private.jsonl'), '{"instruction": "x"}');
    await symlink(join(folder, 'private.jsonl'), join(folder, 'data', 'link.jsonl'));
    await refused(
      () => preparePool(deps, { run, benchmarks: [] }),
      /link\.jsonl, a symbolic link that leads out of its folders/,
    );
    await refused(
      () => resolveModel(deps, { run, role: 'seed' }),
      /does not allow downloads of some\/model .* hub\.models/,
    );
    await refused(
      () => resolveModel(deps, { run, role: 'generator' }),
      /does not allow \/etc, which is in none/,
    );
  });

  it('tries nothing in the checks of a start that the policy forbids', async () => {
    const deps = await strictRun({
      serving: {
        kind: 'endpoint',
        baseUrl: 'http://127.0.0.1:9/v1',
        servedModelName: 'm-{iteration}',
        apiKeyEnv: 'KEY',
      },
      fineTuning: { launcher: { kind: 'slurm', options: ['--wrap=sh'] } },
    });
    const usable = (await openRun(deps.store, testRun.run)).configuration;
    const storeProbe = 'probe';
    await deps.store.writeText(storeProbe, '');
    const found = await asActivity(async () => [
      ...(await preflightInference(deps, { usable, storeProbe })),
      ...(await preflightGpu(deps, { usable, storeProbe })),
    ]);
    const paths = found.map(({ path }) => path).filter((path) => path !== 'models.seed.checkpoint');
    assert.deepEqual(paths, ['serving.baseUrl', 'serving.apiKeyEnv', 'fineTuning.launcher.kind']);
  });

  it('checks the command that a picked template stands for', async () => {
    const templates = { fixed: ['vllm', 'serve', '--port', '8000'] };
    const deps = await strictRun(
      { serving: { kind: 'command', command: ['template:fixed'], servedModelName: 'fixed' } },
      { commands: { templates } },
    );
    const usable = (await openRun(deps.store, testRun.run)).configuration;
    await deps.store.writeText('probe', '');
    const found = await asActivity(() => preflightGpu(deps, { usable, storeProbe: 'probe' }));
    assert.match(JSON.stringify(found), /serving\.command.*contains no \{checkpoint\}/);
  });

  describe('and its inference client', () => {
    const clientOf = (rules: object, places: readonly ServerPlace[] = []) =>
      createInferenceClient({
        concurrency: { minimum: 1, maximum: 1 },
        requestTimeoutSeconds: 10,
        retry: { attempts: 1, initialSeconds: 0, maximumSeconds: 0 },
        environment: { KEY: 'the-key', VLLM_API_KEY: 'the-key' },
        guard: connectionGuard({ rules: policySchema.parse(rules), description: '' }, () =>
          Promise.resolve(places),
        ),
      });
    const ask = async (client: ReturnType<typeof clientOf>, baseUrl: string, apiKeyEnv?: string) => {
      try {
        await client.complete({
          endpoints: [{ baseUrl, model: 'm', apiKeyEnv }],
          messages: [{ role: 'user', content: 'Hello' }],
          sampling: { temperature: 1, topP: 1, maxTokens: 8 },
          samples: 1,
        });
        return 'answered';
      } catch (error) {
        const { name, message } = error as Error;
        return `${name}: ${message}`;
      } finally {
        await client.close();
      }
    };

    it('asks a server that a run has started, with its own key only', async () => {
      testRun = await startTestRun();
      const { baseUrl } = testRun.endpoint;
      const port = Number(new URL(baseUrl).port);
      const own = [{ host: '127.0.0.1', port }];
      assert.equal(await ask(clientOf({}, own), baseUrl), 'answered');
      assert.equal(await ask(clientOf({}, own), baseUrl, 'VLLM_API_KEY'), 'answered');
      assert.match(await ask(clientOf({}, own), baseUrl, 'KEY'), /^EndpointUnsuitable: .* keyVariables\.KEY/);
      assert.match(
        await ask(clientOf({}, [{ host: '127.0.0.1', port: port + 1 }]), baseUrl),
        /^EndpointUnsuitable/,
      );
    });

    it('looks at the address behind a name each time it connects', async () => {
      testRun = await startTestRun();
      const baseUrl = testRun.endpoint.baseUrl.replace('127.0.0.1', 'localhost');
      for (const endpoints of [['localhost'], ['public'], ['*.localhost', 'localhost']])
        assert.match(
          await ask(clientOf({ endpoints }), baseUrl),
          /^EndpointUnsuitable: localhost is not asked: its name leads to/,
        );
      assert.equal(testRun.endpoint.requests.length, 0);
      assert.equal(await ask(clientOf({ endpoints: ['localhost', '127.0.0.1'] }), baseUrl), 'answered');
    });
  });
});
