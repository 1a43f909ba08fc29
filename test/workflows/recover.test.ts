import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Manifest } from '../../src/store/artifact.ts';
import { openStore } from '../../src/store/artifact-store.ts';
import { readStoredRun } from '../../src/runs/stored-run.ts';
import { readStoredTraining } from '../../src/models/training/stored-training.ts';
import { flipByte } from '../support/flip-byte.ts';
import { findRun, startRun, type Run, type RunResult } from '../../src/client/index.ts';
import { newestStart } from '../../src/models/training/trainer-starts.ts';
import { startScriptedEndpoint, type ScriptedEndpoint } from '../support/scripted-endpoint.ts';
import { heldTrainer, HeldTrainings } from '../support/held-example.ts';
import { startCluster, type Cluster, type WorkerProcess } from '../support/cluster.ts';
import {
  repeatedRequests,
  isJudgeRequest,
  scriptedAnswer,
  scriptedConfiguration,
} from '../support/scripted-run.ts';
import { openObjectStore } from '../../src/store/drivers.ts';

const failingTrainer = join(import.meta.dirname, '../models/training/failing_trainer.py');

describe('a run with damaged artifacts or a reset workflow', function () {
  this.timeout(600_000);
  let cluster: Cluster;
  let endpoint: ScriptedEndpoint;
  let worker: WorkerProcess;
  let result: RunResult;
  /** The name of the run's configuration in its store. */
  let resolved: string;
  /** How many requests for judgments to train on are answered before all further ones are held. */
  let answers = Infinity;
  let held = 0;
  let gate = Promise.withResolvers<void>();
  const hold = (after: number) => {
    answers = after;
    held = 0;
    gate = Promise.withResolvers();
  };
  const open = () => {
    answers = Infinity;
    gate.resolve();
  };

  before(async () => {
    cluster = await startCluster();
    endpoint = await startScriptedEndpoint({
      script: (request) => {
        const isTraining = isJudgeRequest(request.body) && request.body.n !== undefined;
        const isHeld = isTraining && (answers -= 1) < 0;
        if (isHeld) held += 1;
        return {
          kind: 'answer',
          texts: scriptedAnswer(request),
          finishReason: 'stop',
          heldUntil: isHeld ? gate.promise : undefined,
        };
      },
    });
    worker = cluster.startWorker();
  });

  after(async () => {
    await cluster.close();
    await endpoint.close();
  });

  const SHARD = 8;
  const input = (runName: string) =>
    scriptedConfiguration(endpoint.baseUrl, runName, {
      instructions: { pool: ['embedded/instructions.jsonl'], maxInstructions: 4 * SHARD, shardSize: SHARD },
      inference: { concurrentShards: 1, concurrentRequestsPerShard: 2 },
    });

  const file = (...path: string[]) => join(cluster.storeRoot, 'run', ...path);

  async function manifest(...path: string[]): Promise<Manifest> {
    return JSON.parse(await readFile(file(...path, 'manifest.json'), 'utf8')) as Manifest;
  }

  async function until(what: string, look: () => Promise<boolean>): Promise<void> {
    const deadline = performance.now() + 300_000;
    while (!(await look().catch(() => false))) {
      if (performance.now() > deadline) throw new Error(`waited in vain until ${what}\n${worker.log()}`);
      await sleep(100);
    }
  }

  const during = (run: Run, stage: string, done = 0) =>
    until(`${done} shards of ${stage} are done`, async () =>
      (await run.progress()).stages.some((each) => each.name === stage && (each.done ?? 0) >= done),
    );

  /** The requests of one shard for judgments to train on. */
  const OF_SHARD = 2 * SHARD;

  /** Requests that had been sent before, since `from`; canary requests aside. */
  const repeated = () => repeatedRequests(endpoint.requests);

  async function corrupt(path: string): Promise<void> {
    const text = await readFile(path, 'utf8');
    await writeFile(path, text.replace(/[a-z]/, 'X'));
  }

  const reset = (workflowId: string, ...to: string[]) =>
    cluster.cli('workflow', 'reset', '--workflow-id', workflowId, '--reason', 'a test', ...to);

  it('repeats an earlier stage if a later one finds damage, and only requests the damaged part again', async () => {
    hold(OF_SHARD);
    const run = await startRun(cluster.client, input('run'));
    await during(run, 'judgePairs', 1);
    const pairs = await manifest('pairs/shard-00003');
    await corrupt(file('pairs/shard-00003/records.jsonl'));
    [resolved = ''] = await readdir(file('configurations'));
    await corrupt(file('configurations', resolved, 'records.jsonl'));
    open();
    result = await run.result();

    assert.equal((await manifest('pairs/shard-00003')).sha256, pairs.sha256);
    assert.equal(repeated(), 3 * SHARD);
    assert.equal(result.iterations.length, 2);
    assert.equal(
      result.warnings.filter((each) => each.startsWith('run/pairs/shard-00003 was damaged')).length,
      1,
    );
    assert.equal(result.warnings.length, 4, result.warnings.join('\n'));
    assert.match(await readFile(file('report.html'), 'utf8'), /run\/pairs\/shard-00003 was damaged/);
  });

  describe('and whose folder is damaged while it works', () => {
    let run: Run;
    const inRun = (...path: string[]) => join(cluster.storeRoot, 'removed', ...path);

    it('makes its configuration again if it is removed, and continues past claims that a crash has emptied', async () => {
      hold(OF_SHARD);
      const hyperparameters = {
        epochs: 100,
        maxSteps: 24,
        perDeviceBatchSize: 16,
        maxLength: 1024,
        saveSteps: 5,
      };
      const rounds = [{ method: 'sft' as const, hyperparameters }];
      // It hangs after the step until the test has stopped it.
      const command = ['{python}', failingTrainer, 'allow', '12', '--job', '{job}'];
      const fineTuning = { rounds, threads: 1, launcher: { kind: 'process' as const, command } };
      run = await startRun(cluster.client, { ...input('removed'), fineTuning, seed: 8 });
      await during(run, 'judgePairs', 1);
      const configurations = await readdir(inRun('configurations'));
      const leases = inRun('iteration-1/judgments/shard-00003.journal/leases');
      await mkdir(leases, { recursive: true });
      await writeFile(join(leases, '000001.json'), '');
      await writeFile(inRun('owner/000002.json'), '{"workflowId": "remo');
      await rm(inRun('configurations'), { recursive: true });
      open();
      await during(run, 'fineTune');

      assert.deepEqual(await readdir(inRun('configurations')), configurations);
      assert.match(worker.log(), /leases\/000001\.json can't be read .*counts as a claim by nobody/);
    });

    it('continues a training from the checkpoint before a damaged one, and warns', async () => {
      const checkpoints = inRun('iteration-1/training/checkpoints');
      const newest = async () =>
        (await readdir(checkpoints)).sort((a, b) => Number(b.split('-')[1]) - Number(a.split('-')[1]));
      await until('there are two checkpoints', async () => (await newest()).length >= 2);
      await run.pause();
      await until(
        'the trainer has stopped',
        async () => !existsSync(inRun('iteration-1/training/lease.json')),
      );
      const [damaged = '', intact = ''] = await newest();
      await flipByte(join(checkpoints, damaged, 'optimizer.pt'));
      await writeFile(inRun('iteration-1/training/allowed'), '1000');
      await run.resume();
      const { iterations, warnings } = await run.result();

      assert.equal(iterations.length, 2);
      const warning = new RegExp(
        `training of M_1 found its ${damaged} damaged and continued .*optimizer\\.pt has another`,
      );
      assert.equal(warnings.filter((each) => warning.test(each)).length, 1, warnings.join('\n'));
      const trained = await readStoredTraining(openStore(cluster.storeRoot), 'removed/iteration-1/training');
      assert.deepEqual(trained?.resumedFromSteps, [Number(intact.split('-')[1])]);
      const stored = await readStoredRun(openStore(cluster.storeRoot), 'removed');
      assert.equal(stored?.endStatus, 'completed');
      assert.equal(stored?.owner?.holder?.workflowId, 'removed');
    });
  });

  it('makes damaged artifacts again when it is started again, with the same weights', async () => {
    const before = repeated();
    const [model, judgments] = [result.iterations[1]?.model, await manifest('iteration-1/judgments/index')];
    await rm(file('iteration-1/training/model/model.safetensors'));
    await rm(file('iteration-1/judgments/shard-00001/records.jsonl'));
    await writeFile(file('iteration-1/training-set/manifest.json'), '{"schema"');
    await rm(file('iteration-1/evaluation/test/scores/manifest.json'));
    await corrupt(file('benchmarks/test/shard-00000/records.jsonl'));
    result = await (await startRun(cluster.client, input('run'))).result();

    assert.equal(repeated() - before, 2 * SHARD);
    assert.equal((await manifest('iteration-1/judgments/index')).sha256, judgments.sha256);
    assert.deepEqual(result.iterations[1]?.model, model);
    const damaged = result.warnings.flatMap((each) => /^run\/(\S+) was damaged/.exec(each)?.[1] ?? []);
    assert.deepEqual(damaged.sort(), [
      'benchmarks/test/shard-00000',
      `configurations/${resolved}`,
      'iteration-1/judgments/shard-00001',
      'iteration-1/training',
      'iteration-1/training-set',
      'pairs/shard-00003',
    ]);
  });

  it('repeats no complete stage when it is reset to its first task after its end', async () => {
    const before = repeated();
    await reset('run', '--type', 'FirstWorkflowTask');
    const again = await findRun(cluster.client, 'run').result();
    assert.equal(repeated(), before);
    assert.deepEqual(
      again.iterations.map(({ model, evaluations }) => ({ model, evaluations })),
      result.iterations.map(({ model, evaluations }) => ({ model, evaluations })),
    );
  });

  it('can be reset while a child workflow is running, to its first task and to its last one', async () => {
    hold(OF_SHARD);
    const configuration = { ...input('reset'), seed: 7 };
    const { fineTuning } = configuration;
    const launcher = { kind: 'process' as const, command: heldTrainer(undefined, 1) };
    const run = await startRun(cluster.client, {
      ...configuration,
      fineTuning: { ...fineTuning, launcher },
    });
    await during(run, 'judgePairs', 1);
    const before = repeated();
    await until('requests are held', () => Promise.resolve(held === 2));
    const execution = async () => (await cluster.client.workflow.getHandle('reset').describe()).runId;
    const first = await execution();
    await reset('reset', '--type', 'FirstWorkflowTask');
    await until('it begins again', async () => (await execution()) !== first);
    await during(run, 'judgePairs', 1);
    await until('its own child asks again', () => Promise.resolve(repeated() - before >= 2));
    // Now to a point at which the child was already running: it stays, and ends for the newest run.
    await reset('reset', '--type', 'LastWorkflowTask');
    open();
    await during(run, 'fineTune');
    // The requests in flight of at most two shards: attempts of the abandoned child end at their next heartbeat.
    assert(repeated() - before <= 2 * SHARD, `${repeated() - before} requests were sent twice`);
  });

  it('can be reset while it trains: the worker follows the running trainer', async () => {
    const run = findRun(cluster.client, 'reset');
    const training = join(cluster.storeRoot, 'reset/iteration-1/training');
    const trainings = new HeldTrainings(cluster, 'reset');
    await trainings.held(1, 1);
    await reset('reset', '--type', 'FirstWorkflowTask');
    await trainings.release(1);
    const { iterations } = await run.result();
    assert.equal(iterations.length, 2);
    assert.equal((await newestStart(openObjectStore(training)))?.epoch, 1);
  });
});
