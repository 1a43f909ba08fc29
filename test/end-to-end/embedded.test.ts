import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { cp, glob, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileKey, RECORDS_FILE } from '../../src/store/manifest.ts';
import { openStore } from '../../src/store/artifact-store.ts';
import {
  startRun,
  type ConfigurationInput,
  type Run,
  type RunProgress,
  type RunResult,
} from '../../src/client/index.ts';
import { parseConfiguration } from '../../src/config/parse-configuration.ts';
import { stableHash } from '../../src/platform/stable-hash.ts';
import { estimateRun } from '../../src/estimate/estimate-run.ts';
import { startCluster, type Cluster } from '../support/cluster.ts';
import { readManifests } from '../support/read-manifests.ts';
import { packageRoot } from '../../src/platform/package-root.ts';

/** The stages during one of which the worker is killed: which one follows from the seed. */
const KILLED_DURING = ['generatePairs', 'judgePairs', 'fineTune', 'evaluateJudge'];
const seed = process.env['TEST_SEED'] ?? String(Date.now());

describe('the embedded example, every part real', function () {
  this.timeout(900_000);
  let cluster: Cluster;
  let example: ConfigurationInput;
  let result: RunResult;
  /** Temporary files that the killed worker has left. */
  let halfWritten: string[];

  before(async () => {
    cluster = await startCluster();
    const file = join(packageRoot, 'temporal/inputs/embedded.json');
    example = JSON.parse(await readFile(file, 'utf8')) as ConfigurationInput;
  });

  after(() => cluster.close());

  /** The example with fewer instructions and iterations. */
  function smaller(runName: string, iterations: number) {
    const { instructions: pool } = example;
    assert(pool !== undefined);
    const instructions = { ...pool, categories: null, maxInstructions: 240, shardSize: 30 };
    return { ...example, runName, iterations, instructions, timeouts: { heartbeatSeconds: 5 } };
  }

  async function progressUntil(run: Run, reached: (progress: RunProgress) => boolean): Promise<void> {
    for (;;) {
      const progress = await run.progress().catch(() => undefined);
      if (progress !== undefined && reached(progress)) return;
      await sleep(50);
    }
  }

  const manifests = (runName: string) => readManifests(cluster.storeRoot, runName);
  const filesOf = (pattern: string) => Array.fromAsync(glob(pattern, { cwd: cluster.storeRoot }));

  it(`teaches itself though its worker is killed, without doing again what was complete (TEST_SEED=${seed})`, async () => {
    const stage = KILLED_DURING[Number.parseInt(stableHash(seed).slice(0, 8), 16) % KILLED_DURING.length];
    const milliseconds = Number.parseInt(stableHash(seed, 'delay').slice(0, 8), 16) % 1500;
    const worker = cluster.startWorker();
    const run = await startRun(cluster.client, smaller('killed', 2));
    await progressUntil(
      run,
      ({ stages, completedIterations: completed }) =>
        stages.some(({ name }) => name === stage) || completed.length > 1,
    );
    await sleep(milliseconds);
    const complete = await manifests('killed');
    await worker.kill();
    halfWritten = await filesOf('killed/**/*.tmp-*');
    cluster.startWorker();
    result = await run.result();

    const after = await manifests('killed');
    for (const [uri, manifest] of complete) {
      assert.deepEqual(
        after.get(uri),
        manifest,
        `${uri} was complete before the worker was killed during ${stage}`,
      );
    }
  });

  it('is a better judge after two iterations, in both orders', () => {
    const figures = result.iterations.map(
      ({ evaluations }) =>
        evaluations.find(({ purpose }) => purpose === 'test') ?? assert.fail('no test benchmark'),
    );
    assert.equal(figures.length, 3);
    const [seedModel, , last] = figures;
    const gain = (field: 'accuracy' | 'positionConsistentAccuracy') =>
      (last?.[field] ?? 0) - (seedModel?.[field] ?? 1);
    assert(gain('accuracy') > 0.08, `accuracy rose by ${gain('accuracy')}`);
    assert(gain('positionConsistentAccuracy') > 0.15, `consistent by ${gain('positionConsistentAccuracy')}`);
  });

  it('leaves every artifact whole', async () => {
    const found = await manifests('killed');
    assert(found.size > 30);
    for (const [uri, manifest] of found) {
      const { sha256, records, bytes } = manifest;
      const content = await readFile(join(cluster.storeRoot, fileKey(manifest, RECORDS_FILE)));
      assert.equal(createHash('sha256').update(content).digest('hex'), sha256, uri);
      assert.equal(content.length, bytes, uri);
      assert.equal(content.toString().split('\n').length - 1, records, uri);
    }
    const leftovers = await filesOf('killed/**/*.{journal,tmp-*}');
    // The kill interrupts writes, whose temporary files `gc` removes.
    assert.deepEqual(
      leftovers.filter((path) => !halfWritten.includes(path)),
      [],
    );
    for (const { iteration, model } of result.iterations.slice(1)) {
      const folder = join(cluster.storeRoot, model.checkpoint.replace('store:', ''));
      assert(existsSync(join(folder, 'model.safetensors')), `M_${iteration} has no weights`);
    }
    assert(existsSync(join(cluster.storeRoot, result.report)));
  });

  it('takes the tokens that its plan says, stage by stage within a factor of two', async () => {
    const { configuration } = parseConfiguration(smaller('killed', 2));
    assert(configuration !== undefined);
    const plan = await estimateRun(
      {
        store: openStore(join(cluster.storeRoot, 'empty')),
        files: { roots: [packageRoot] },
        python: process.env['SELF_TAUGHT_EVALUATOR_PYTHON'],
        packageRoot,
        environment: process.env,
      },
      configuration,
      {
        assumptions: {},
        rates: {},
        probeSeconds: undefined,
        cacheFolder: cluster.storeRoot,
        signal: new AbortController().signal,
        workers: [],
        say: () => undefined,
      },
    );
    assert.deepEqual(plan.missing, []);
    assert.deepEqual(
      plan.tokenizers.map(({ by }) => by.kind),
      ['tokenizer'],
    );
    for (const { stage, iteration, benchmark, whole } of plan.stages) {
      const counts = result.iterations[iteration]?.counts[benchmark ?? stage] ?? {};
      const { promptTokens = 0, completionTokens = 0, trainedTokens = 0 } = counts;
      const real = promptTokens + completionTokens + trainedTokens;
      const planned = whole.promptTokens + whole.completionTokens + whole.trainingTokens;
      const what = `${iteration}/${stage} ${benchmark ?? ''}: ${planned} planned, ${real} real`;
      assert(real > 0 && planned <= 2 * real && planned >= real / 2, what);
    }
  });

  it('serves its judge again under another address when its server is gone with the machine, and goes on', async () => {
    const input = smaller('stopped', 1);
    const run = await startRun(cluster.client, {
      ...input,
      instructions: { ...input.instructions, maxInstructions: 60 },
    });
    await progressUntil(run, ({ stages }) => stages.some(({ name }) => name === 'evaluateJudge'));
    await cluster.stopWorkers();
    // Another machine knows nothing of the servers of this one.
    await rm(join(cluster.storeRoot, '.machines'), { recursive: true });
    cluster.startWorker();
    const { iterations } = await run.result();
    assert.equal(iterations.length, 2);
  });

  it('never sees an answer key: beside an all-wrong one an undisturbed run makes the same data', async () => {
    const pool = join(cluster.storeRoot, 'keyed', 'instructions.jsonl');
    await cp(join(packageRoot, 'embedded'), dirname(pool), { recursive: true });
    const rows = (await readFile(pool, 'utf8')).trim().split('\n');
    const keyed = rows.map((row) => ({
      ...(JSON.parse(row) as object),
      answer: 'wrong',
      chosen: 'wrong',
      label: 'B',
    }));
    const lines = keyed.map((row) => `${JSON.stringify(row)}\n`).join('');
    await writeFile(pool, lines);
    await writeFile(join(dirname(pool), 'answers.jsonl'), lines);

    const input = smaller('beside-a-key', 1);
    const run = await startRun(cluster.client, {
      ...input,
      instructions: { ...input.instructions, pool: [pool] },
    });
    await run.result();
    const [killed, beside] = await Promise.all([manifests('killed'), manifests('beside-a-key')]);
    for (const stage of ['pairs/index', 'iteration-1/judgments/index', 'iteration-1/training-set']) {
      const [one, other] = [killed.get(`killed/${stage}`), beside.get(`beside-a-key/${stage}`)];
      assert(one !== undefined && other !== undefined, stage);
      if (stage === 'iteration-1/training-set') assert.equal(other.sha256, one.sha256, stage);
      else assert.deepEqual(other.counts, one.counts, stage);
    }
  });
});
