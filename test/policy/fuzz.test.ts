/**
 * Generates configurations over their schemas with hostile strings, and gives them to every check and every activity that starts a
 * program, opens a file or connects. TEST_SEED repeats a run of the test.
 */
import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import { checkConfiguration } from '../../src/activities/check-configuration.ts';
import { checkJudgeEvaluation } from '../../src/activities/check-judge-evaluation.ts';
import { checkPairsJudging } from '../../src/activities/check-pairs-judging.ts';
import { copyToBucket } from '../../src/activities/copy-to-bucket.ts';
import type { Dependencies } from '../../src/activities/dependencies.ts';
import { fineTune } from '../../src/activities/fine-tune.ts';
import { preflightGpu, preflightInference } from '../../src/activities/preflight.ts';
import { prepareBenchmark } from '../../src/activities/prepare-benchmark.ts';
import { preparePairs } from '../../src/activities/prepare-pairs.ts';
import { preparePool } from '../../src/activities/prepare-pool.ts';
import { publishResolvedConfiguration } from '../../src/activities/plan-run.ts';
import { pushOutputs } from '../../src/activities/push-outputs.ts';
import { resolveModel } from '../../src/activities/resolve-model.ts';
import { serveModel } from '../../src/activities/serve-model.ts';
import { jsonSchemas } from '../../src/api/json-schemas.ts';
import { parseConfiguration } from '../../src/config/parse-configuration.ts';
import { MODEL_ROLES } from '../../src/config/model-roles.ts';
import { createInferenceClient } from '../../src/models/inference/client.ts';
import { packageRoot } from '../../src/platform/package-root.ts';
import { connectionGuard } from '../../src/policy/connection-guard.ts';
import { inputGuard } from '../../src/policy/input-guard.ts';
import { type Policy, policySchema } from '../../src/policy/policy-schema.ts';
import { scriptedConfiguration } from '../support/scripted-run.ts';
import { cancellable, startTestRun, type TestRun } from '../support/test-run.ts';
import { bySchema, PRIVATE_TEXT, setTraps, type Traps } from './hostile-configurations.ts';

const RUNS = 80;
const seed = Number(process.env['TEST_SEED'] ?? Date.now() % 1_000_000);

interface HostileRun {
  readonly input: object;
  /** The names of the generated sections. */
  readonly changed: readonly string[];
}

describe(`hostile configurations (TEST_SEED=${seed})`, function () {
  this.timeout(600_000);
  let testRun: TestRun;
  let traps: Traps;
  let deps: Dependencies;

  async function prepare(rules: Policy['rules']): Promise<void> {
    testRun = await startTestRun();
    const root = join(testRun.folder, 'data');
    await mkdir(root);
    traps = await setTraps(testRun.folder, root);
    const policy = { rules, description: 'of the test' };
    const guard = connectionGuard(policy, () => Promise.resolve([]));
    const environment = {
      ...traps.secrets,
      ...{ PATH: process.env['PATH'], HOME: testRun.folder, HF_ENDPOINT: traps.origin },
      ...{
        AWS_EC2_METADATA_DISABLED: 'true',
        AWS_ENDPOINT_URL_S3: traps.origin,
        AWS_REGION: 'x',
        AWS_MAX_ATTEMPTS: '1',
      },
      SELF_TAUGHT_EVALUATOR_CACHE: join(testRun.folder, 'cache'),
    };
    // Buckets are opened by the variables of this process.
    for (const name of [
      'AWS_EC2_METADATA_DISABLED',
      'AWS_ENDPOINT_URL_S3',
      'AWS_REGION',
      'AWS_MAX_ATTEMPTS',
    ] as const)
      process.env[name] = environment[name];
    deps = {
      ...testRun.deps,
      ...{ policy, environment, connectionGuard: guard, python: 'false' },
      files: { roots: [root, packageRoot], guard: inputGuard(policy, [root, packageRoot]) },
      inference: createInferenceClient({
        concurrency: { minimum: 1, maximum: 1 },
        requestTimeoutSeconds: 2,
        retry: { attempts: 1, initialSeconds: 0, maximumSeconds: 0 },
        ...{ environment, guard },
      }),
    };
  }

  afterEach(async () => {
    for (const name of ['AWS_EC2_METADATA_DISABLED', 'AWS_ENDPOINT_URL_S3', 'AWS_REGION', 'AWS_MAX_ATTEMPTS'])
      delete process.env[name];
    await deps.servers.stopAll();
    await traps.close();
    await deps.inference.close();
    await testRun.close();
  });

  /** A valid run of which some sections are replaced by generated ones. */
  function configurations(among?: readonly string[]): fc.Arbitrary<HostileRun> {
    const schema = jsonSchemas().get('configuration.schema.json') as { properties: Record<string, object> };
    const base = scriptedConfiguration(testRun.endpoint.baseUrl, 'fuzz');
    const { $schema: _, runName: __, timeouts: ___, ...sections } = schema.properties;
    return fc
      .subarray([...(among ?? Object.keys(sections))], {
        minLength: 1,
        maxLength: among === undefined ? 3 : 1,
      })
      .chain((changed) =>
        fc
          .record(Object.fromEntries(changed.map((name) => [name, bySchema(sections[name] ?? {}, traps)])))
          .map((found) => ({ changed, input: { ...base, ...found } })),
      );
  }

  /** Does with a configuration what workflows do, whatever the checks say. */
  async function attack({ input, changed }: HostileRun): Promise<void> {
    const { usable } = await tried<{ usable: object }>(() => checkConfiguration(deps, input), { usable: {} });
    await preflight(usable);
    const { configuration } = parseConfiguration(input);
    if (configuration === undefined) return;
    const reference = await tried(() => publishResolvedConfiguration(deps, configuration), undefined);
    if (reference === undefined) return;
    const run = { runName: 'fuzz', configuration: reference };
    const model = { checkpoint: configuration.models.seed.checkpoint, sha256: 'x' };
    const trainingSet = await testRun.publish('set', [{ prompt: [], completion: [] }], 1);
    const [benchmark] = configuration.evaluation.benchmarks;
    const uses: readonly (readonly [readonly string[], () => Promise<unknown>])[] = [
      ...MODEL_ROLES.flatMap((role) => [
        [['models'], () => resolveModel(deps, { run, role })] as const,
        [['models', 'serving'], () => serveModel(deps, { run, model, iteration: 0, role })] as const,
      ]),
      [['instructions'], () => preparePool(deps, { run, benchmarks: [] })],
      [['pairs'], () => preparePairs(deps, { run, benchmarks: [] })],
      [['evaluation'], () => prepareBenchmark(deps, { run, benchmark: benchmark?.name ?? '' })],
      [['fineTuning', 'models'], () => fineTune(deps, { run, iteration: 1, base: model, trainingSet })],
      [['publish'], () => pushOutputs(deps, { run, best: 1, iterations: 0 })],
      [['publishTo'], () => copyToBucket(deps, { run, to: configuration.publishTo ?? '' })],
    ];
    for (const [sections, use] of uses)
      if (sections.some((section) => changed.includes(section))) await tried(use, undefined);
  }

  async function preflight(usable: object): Promise<void> {
    await deps.store.writeText('probe', '');
    await tried(() => preflightInference(deps, { usable, storeProbe: 'probe' }), []);
    await tried(() => preflightGpu(deps, { usable, storeProbe: 'probe' }), []);
  }

  async function attackStandalone(type: 'evaluation' | 'judging', input: object): Promise<void> {
    const check = type === 'evaluation' ? checkJudgeEvaluation : checkPairsJudging;
    const { usable } = await tried<{ usable: object }>(() => check(deps, input), { usable: {} });
    await preflight(usable);
  }

  const said: string[] = [];
  async function tried<T>(work: () => Promise<T>, otherwise: T): Promise<T> {
    const activity = cancellable(work);
    // The test does not wait for what a worker waits for, such as a server that starts.
    const timer = setTimeout(() => activity.cancel(), 2000);
    try {
      const result = await Promise.race([
        activity.work,
        sleep(5000).then(() => Promise.reject(new Error('it goes on'))),
      ]);
      said.push(JSON.stringify(result) ?? '');
      return result;
    } catch (error) {
      said.push(String(error));
      return otherwise;
    } finally {
      clearTimeout(timer);
    }
  }

  const unharmed = async () => {
    assert.deepEqual(await traps.caught(), []);
    assert(!said.some((text) => text.includes(PRIVATE_TEXT)));
  };

  it('start no program, open no file and no connection outside of the policy', async () => {
    await prepare(policySchema.parse({ endpoints: [new URL('http://127.0.0.1:1').host] }));
    await fc.assert(
      fc.asyncProperty(configurations(), async (input) => {
        await attack(input);
        await unharmed();
      }),
      { seed, numRuns: RUNS, endOnFailure: true },
    );
    for (const type of ['evaluation', 'judging'] as const) {
      const schema = jsonSchemas().get(`${type}.schema.json`) ?? {};
      await fc.assert(
        fc.asyncProperty(bySchema(schema, traps), async (input) => {
          await attackStandalone(type, { ...(input as object), runName: 'fuzz' });
          await unharmed();
        }),
        { seed, numRuns: RUNS, endOnFailure: true },
      );
    }
  });

  it('do all three without a policy, so that the traps and the strings are good ones', async () => {
    await prepare(undefined);
    const wanted = [/^connection/, /^read/, /^a program ran/];
    const hasAll = async () => {
      const caught = await traps.caught();
      return wanted.every((what) => caught.some((each) => what.test(each)));
    };
    const sections = ['serving', 'instructions'];
    // About one in 30 starts a program: this many miss it with no seed.
    for (const run of fc.sample(configurations(sections), { seed, numRuns: 20 * RUNS })) {
      await attack(run);
      if (await hasAll()) break;
    }
    assert(await hasAll(), (await traps.caught()).join(', '));
  });
});
