import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Manifest } from '../../src/artifacts/reference.ts';
import { type ConfigurationInput, startRun, type Run } from '../../src/client.ts';
import { type Script, type ScriptedEndpoint, startScriptedEndpoint } from '../inference/scripted-endpoint.ts';
import { type Cluster, startCluster } from './cluster.ts';
import { isJudging, scriptedAnswer, scriptedConfiguration } from './scripted-run.ts';

const SHARD = 8;

/** Judgments to train on take a moment, so that there is time to take the endpoint away. */
const script: Script = (request) => ({
  kind: 'answer',
  texts: scriptedAnswer(request),
  finishReason: 'stop',
  afterMilliseconds: isJudging(request.body) && request.body.n !== undefined ? 150 : 0,
});

describe('a run whose endpoints go away', function () {
  this.timeout(600_000);
  let cluster: Cluster;
  const endpoints: ScriptedEndpoint[] = [];

  const start = async (index: number, port?: number) => {
    endpoints[index] = await startScriptedEndpoint({ script, ...(port === undefined ? {} : { port }) });
  };
  const port = (index: number) => Number(new URL(endpoints[index]!.baseUrl).port);

  before(async () => {
    cluster = await startCluster();
    cluster.startWorker();
    await Promise.all([start(0), start(1)]);
  });
  after(async () => {
    await cluster.close();
    await Promise.all(endpoints.map((endpoint) => endpoint.close()));
  });

  const input = (runName: string, baseUrl: string | string[]): ConfigurationInput =>
    scriptedConfiguration('http://replaced/v1', runName, {
      serving: { kind: 'endpoint', baseUrl, servedName: 'judge-{iteration}' },
      instructions: { pool: ['embedded/instructions.jsonl'], maximum: 4 * SHARD, shardSize: SHARD },
      inference: { shardsAtOnce: 2, requestsPerShard: 2 },
      fineTuning: {
        rounds: [
          {
            method: 'sft',
            hyperparameters: { maximumSteps: 1, batchSize: 4, gradientAccumulation: 1, maximumLength: 1024 },
          },
        ],
        threads: 1,
      },
    });

  const judgingBegan = async (run: Run) => {
    for (;;) {
      const progress = await run.progress().catch(() => undefined);
      const stage = progress?.stages.find(({ name }) => name === 'judgePairs');
      if ((stage?.done ?? 0) >= 1 || progress?.counts['judgePairs'] !== undefined) return;
      await sleep(50);
    }
  };
  const waiting = async (run: Run) => {
    for (;;) {
      const progress = await run.progress().catch(() => undefined);
      const waits = progress?.stages.find(({ waits }) => waits !== undefined)?.waits;
      if (waits !== undefined) return waits;
      await sleep(100);
    }
  };
  const hashes = async (runName: string) => {
    const of = async (uri: string) => {
      const file = join(cluster.storeRoot, runName, uri, 'manifest.json');
      return (JSON.parse(await readFile(file, 'utf8')) as Manifest).sha256;
    };
    return Promise.all(['pairs/index', 'iteration-1/judgments/index', 'iteration-1/training-set'].map(of));
  };
  let undisturbed: string[];

  it('ends with the same artifacts from two endpoints, one of which is killed, as from one', async () => {
    const alone = await startRun(cluster.client, input('alone', endpoints[0]!.baseUrl));
    await alone.result();
    undisturbed = await hashes('alone');
    const run = await startRun(
      cluster.client,
      input(
        'two',
        endpoints.map(({ baseUrl }) => baseUrl),
      ),
    );
    await judgingBegan(run);
    assert(endpoints[1]!.requests.length > 0, 'both were asked');
    await endpoints[1]!.close();
    const { warnings } = await run.result();
    assert.deepEqual(await hashes('two'), undisturbed);
    assert.deepEqual(warnings, []);
    await start(1, port(1));
  });

  it('waits while all are down, says so, though the worker is killed meanwhile, and ends with the same artifacts', async () => {
    const baseUrl = endpoints.map((endpoint) => endpoint.baseUrl);
    const worker = cluster.startWorker();
    const run = await startRun(cluster.client, input('away', baseUrl));
    await judgingBegan(run);
    const ports = [port(0), port(1)];
    await Promise.all(endpoints.map((endpoint) => endpoint.close()));
    const waits = await waiting(run);
    for (const each of baseUrl) assert(waits.includes(`The endpoint ${each} doesn't answer since 20`), waits);
    assert.match(waits, /asked again every 30 s/);
    const { raw } = await cluster.client.workflow.getHandle('away/1/judgePairs').describe();
    const heartbeats = raw.pendingActivities?.map(({ heartbeatDetails }) =>
      Buffer.from(heartbeatDetails?.payloads?.[0]?.data ?? []).toString(),
    );
    assert(
      heartbeats?.some((details) => details.includes("doesn't answer since")),
      String(heartbeats),
    );

    await worker.kill();
    await cluster.stopWorkers();
    cluster.startWorker();
    await sleep(10_000);
    await Promise.all([start(0, ports[0]), start(1, ports[1])]);
    const { warnings } = await run.result();
    assert.deepEqual(await hashes('away'), undisturbed);
    assert.deepEqual(warnings, []);
    assert((await run.progress()).stages.every((stage) => stage.waits === undefined));
  });

  it('can be cancelled while it waits', async () => {
    const run = await startRun(cluster.client, input('cancelled', endpoints[0]!.baseUrl));
    await judgingBegan(run);
    await endpoints[0]!.close();
    await waiting(run);
    await run.cancel();
    await assert.rejects(run.result());
    assert.equal((await run.progress()).phase, 'cancelled');
  });
});
