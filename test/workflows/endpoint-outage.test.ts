import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Manifest } from '../../src/store/artifact.ts';
import { type Evaluation, type RunProgress, startEvaluation } from '../../src/client/index.ts';
import { type Script, type ScriptedEndpoint, startScriptedEndpoint } from '../support/scripted-endpoint.ts';
import { type Cluster, startCluster, type WorkerProcess } from '../support/cluster.ts';
import { scriptedAnswer } from '../support/scripted-run.ts';

/** Each answer takes a moment, so that there is time to take the endpoint away. */
const script: Script = (request) => ({
  kind: 'answer',
  texts: scriptedAnswer(request),
  finishReason: 'stop',
  afterMilliseconds: 150,
});

const SHARDS = 8;

describe('a stage whose endpoints stop answering', function () {
  this.timeout(300_000);
  let cluster: Cluster;
  let worker: WorkerProcess;
  const endpoints: ScriptedEndpoint[] = [];
  const addresses = () => endpoints.map(({ baseUrl }) => baseUrl);

  const startWorker = () => {
    worker = cluster.startWorker('--roles', 'workflow,inference');
  };
  const closed = new Map<number, number>();
  const startEndpoint = async (index: number) => {
    const port = closed.get(index);
    endpoints[index] = await startScriptedEndpoint({ script, ...(port === undefined ? {} : { port }) });
    closed.delete(index);
  };
  const closeEndpoint = async (index: number) => {
    closed.set(index, Number(new URL(endpoints[index]!.baseUrl).port));
    await endpoints[index]!.close();
  };

  before(async () => {
    cluster = await startCluster();
    startWorker();
    await Promise.all([startEndpoint(0), startEndpoint(1)]);
  });
  afterEach(async () => {
    for (const index of closed.keys()) await startEndpoint(index);
  });
  after(async () => {
    await cluster.close();
    await Promise.all(endpoints.map((endpoint) => endpoint.close()));
  });

  const evaluate = (runName: string, baseUrl: string | string[]) =>
    startEvaluation(cluster.client, {
      runName,
      serving: { kind: 'endpoint', baseUrl, servedModelName: 'judge' },
      evaluation: {
        benchmarks: [{ name: 'test', format: 'reward-bench', path: 'embedded/benchmark/validation.jsonl' }],
        shardSize: 120 / SHARDS,
      },
      inference: { concurrentShards: 2, concurrentRequestsPerShard: 2 },
      timeouts: { heartbeatSeconds: 5 },
    });

  /** Fails when the run does, so that nothing is waited for in vain. */
  const progressOf = async (run: Evaluation): Promise<RunProgress | undefined> => {
    const progress = await run.progress().catch(() => undefined);
    assert.notEqual(progress?.status, 'failed', worker.log());
    return progress;
  };
  const until = async (look: () => Promise<boolean>) => {
    while (!(await look())) await sleep(100);
  };
  const underWay = (run: Evaluation) =>
    until(async () => (await progressOf(run))?.stages.some(({ done = 0 }) => done >= 1) === true);
  const waitReason = async (run: Evaluation): Promise<string> => {
    let reason: string | undefined;
    await until(async () => {
      reason = (await progressOf(run))?.waits?.[0]?.reason;
      return reason !== undefined;
    });
    return reason ?? '';
  };
  /** The hashes of all shards; an index names the run too. */
  const judgments = (runName: string) =>
    Promise.all(
      Array.from({ length: SHARDS }, async (_, shard) => {
        const uri = `iteration-0/evaluation/test/shard-0000${shard}`;
        const text = await readFile(join(cluster.storeRoot, runName, uri, 'manifest.json'), 'utf8');
        return (JSON.parse(text) as Manifest).sha256;
      }),
    );
  let undisturbed: string[];

  it('ends with the same artifact from two endpoints, one of which is killed, as from one', async () => {
    await (await evaluate('alone', endpoints[0]!.baseUrl)).result();
    undisturbed = await judgments('alone');
    const run = await evaluate('two', addresses());
    await underWay(run);
    assert(endpoints[1]!.requests.length > 1, 'both were asked');
    await closeEndpoint(1);
    await run.result();
    assert.deepEqual(await judgments('two'), undisturbed);
  });

  it('waits and says so while all endpoints are down, even if the worker is killed meanwhile, and ends with the same artifact', async () => {
    const run = await evaluate('away', addresses());
    await underWay(run);
    await Promise.all([closeEndpoint(0), closeEndpoint(1)]);
    const waits = await waitReason(run);
    for (const address of addresses())
      assert(waits.includes(`The endpoint ${address} doesn't answer since 20`), waits);
    assert.match(waits, /ECONNREFUSED.*asked again every 30 s/);
    const { workflowId = '' } = (await run.progress()).stages[0] ?? {};
    await until(async () => {
      const { raw } = await cluster.client.workflow.getHandle(`${workflowId}/test`).describe();
      return (raw.pendingActivities ?? []).some(({ heartbeatDetails }) =>
        Buffer.from(heartbeatDetails?.payloads?.[0]?.data ?? [])
          .toString()
          .includes("doesn't answer since"),
      );
    });
    assert.match((await run.progress()).status, /running/);

    await worker.kill();
    startWorker();
    await sleep(8_000);
    await Promise.all([startEndpoint(0), startEndpoint(1)]);
    await run.result();
    assert.deepEqual(await judgments('away'), undisturbed);
    assert.equal((await run.progress()).waits, undefined);
  });

  it('can be cancelled while it waits', async () => {
    const run = await evaluate('cancelled', endpoints[0]!.baseUrl);
    await underWay(run);
    await closeEndpoint(0);
    await waitReason(run);
    await run.cancel();
    await assert.rejects(run.result());
    assert.equal((await run.progress()).status, 'cancelled');
  });

  it('fails at once if the key is rejected during the stage', async () => {
    const run = await evaluate('rejected', addresses());
    await underWay(run);
    endpoints[1]!.script(() => ({ kind: 'status', status: 401, error: { message: 'unknown key' } }));
    await assert.rejects(run.result());
    assert.equal((await run.progress()).status, 'failed');
  });
});
