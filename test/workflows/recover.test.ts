import assert from 'node:assert/strict';
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Manifest } from '../../src/artifacts/reference.ts';
import { findRun, startRun, type Run, type RunResult } from '../../src/client.ts';
import { newestStart } from '../../src/training/starts.ts';
import { startScriptedEndpoint, type ScriptedEndpoint } from '../inference/scripted-endpoint.ts';
import { startCluster, type Cluster, type WorkerProcess } from './cluster.ts';
import { askedTwice, isJudging, scriptedAnswer, scriptedConfiguration } from './scripted-run.ts';

describe('a run whose past is damaged or reset', function () {
  this.timeout(600_000);
  let cluster: Cluster;
  let endpoint: ScriptedEndpoint;
  let worker: WorkerProcess;
  let result: RunResult;
  /** How the endpoint takes a request for judgments to train on. */
  const MILLISECONDS = { fast: 0, slow: 500, held: 10_000 };
  let judging: keyof typeof MILLISECONDS = 'slow';

  before(async () => {
    cluster = await startCluster();
    endpoint = await startScriptedEndpoint({
      script: (request) => {
        const isTraining = isJudging(request.body) && request.body.n !== undefined;
        return {
          kind: 'answer',
          texts: scriptedAnswer(request),
          finishReason: 'stop',
          afterMilliseconds: isTraining ? MILLISECONDS[judging] : 0,
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
      instructions: { pool: ['embedded/instructions.jsonl'], maximum: 4 * SHARD, shardSize: SHARD },
      inference: { shardsAtOnce: 1, requestsPerShard: 2 },
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

  /** Requests that had been sent before, since `from`; canary requests aside. */
  const repeated = () => askedTwice(endpoint.requests);

  async function corrupt(path: string): Promise<void> {
    const text = await readFile(path, 'utf8');
    await writeFile(path, text.replace(/[a-z]/, 'X'));
  }

  const reset = (workflowId: string, ...to: string[]) =>
    cluster.cli('workflow', 'reset', '--workflow-id', workflowId, '--reason', 'a test', ...to);

  it('goes back where a stage finds damage, and asks again only for what was damaged', async () => {
    const run = await startRun(cluster.client, input('run'));
    await during(run, 'judgePairs', 1);
    const pairs = await manifest('pairs/shard-00003');
    await corrupt(file('pairs/shard-00003/records.jsonl'));
    const [resolved = ''] = await readdir(file('configurations'));
    await corrupt(file('configurations', resolved, 'records.jsonl'));
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

  it('makes what was damaged again when it is started again, and the same weights', async () => {
    judging = 'fast';
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
    assert.equal(result.warnings.filter((each) => each.includes('was damaged')).length, 7);
  });

  it('does no complete stage again when it is reset to its first task after its end', async () => {
    const before = repeated();
    await reset('run', '--type', 'FirstWorkflowTask');
    const again = await findRun(cluster.client, 'run').result();
    assert.equal(repeated(), before);
    assert.deepEqual(
      again.iterations.map(({ model, evaluations }) => ({ model, evaluations })),
      result.iterations.map(({ model, evaluations }) => ({ model, evaluations })),
    );
  });

  it('can be reset while a child workflow is at work: to its first task, and to its last one', async () => {
    judging = 'slow';
    const run = await startRun(cluster.client, { ...input('reset'), seed: 7 });
    await during(run, 'judgePairs', 1);
    judging = 'held';
    const before = repeated();
    const asked = endpoint.requests.length;
    await until('requests are held', () => Promise.resolve(endpoint.requests.length >= asked + 2));
    await reset('reset', '--type', 'FirstWorkflowTask');
    await until('it begins again', async () => (await run.progress()).phase === 'planning');
    await during(run, 'judgePairs', 1);
    await until('its own child asks again', () => Promise.resolve(repeated() - before >= 2));
    // Now to a point where the child was at work already: it stays, and ends for the run that is newest.
    await reset('reset', '--type', 'LastWorkflowTask');
    judging = 'fast';
    await during(run, 'fineTune');
    // What was in flight, of two shards at most: attempts of the child that was left end at their next heartbeat.
    assert(repeated() - before <= 2 * SHARD, `${repeated() - before} requests were sent twice`);
  });

  it('can be reset while it trains: the trainer is followed, not started again', async () => {
    const run = findRun(cluster.client, 'reset');
    const training = join(cluster.storeRoot, 'reset/iteration-1/training');
    await until('the trainer has begun', async () => (await newestStart(training))?.process !== undefined);
    await reset('reset', '--type', 'FirstWorkflowTask');
    const { iterations } = await run.result();
    assert.equal(iterations.length, 2);
    assert.equal((await newestStart(training))?.epoch, 1);
  });
});
