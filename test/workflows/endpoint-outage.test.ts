import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Manifest } from '../../src/store/artifact.ts';
import { type Evaluation, type RunProgress, startEvaluation } from '../../src/client/index.ts';
import { freePort } from '../../src/platform/ports.ts';
import {
  isCanary,
  type Script,
  type ScriptedEndpoint,
  startScriptedEndpoint,
} from '../support/scripted-endpoint.ts';
import { type Cluster, startCluster, type WorkerProcess } from '../support/cluster.ts';
import { scriptedAnswer } from '../support/scripted-run.ts';

const SHARDS = 8;
/** The requests of two shards, so that at least one shard is done when they are answered. */
const ANSWERED = (2 * 240) / SHARDS;

describe('a stage whose endpoints stop answering', function () {
  this.timeout(300_000);
  let cluster: Cluster;
  let worker: WorkerProcess;
  const endpoints: ScriptedEndpoint[] = [];
  /** How many requests are answered before all others are held. */
  let answers = Infinity;
  let gate = Promise.withResolvers<void>();
  const script: Script = (request) => ({
    kind: 'answer',
    texts: scriptedAnswer(request),
    finishReason: 'stop',
    heldUntil: isCanary(request.body) || (answers -= 1) >= 0 ? undefined : gate.promise,
  });
  const open = () => {
    answers = Infinity;
    gate.resolve();
  };
  const addresses = () => endpoints.map(({ baseUrl }) => baseUrl);

  const startWorker = () => {
    worker = cluster.startWorker('--roles', 'workflow,inference');
  };
  const closed = new Map<number, number>();
  const startEndpoint = async (index: number) => {
    const port = closed.get(index) ?? (await freePort());
    endpoints[index] = await startScriptedEndpoint({ script, port });
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
    open();
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
  /** Starts an evaluation, and waits until a part of it is done; the rest is held until `open`. */
  const evaluateInPart = async (runName: string, baseUrl: string | string[]) => {
    answers = ANSWERED;
    gate = Promise.withResolvers();
    const run = await evaluate(runName, baseUrl);
    await until(async () => (await progressOf(run))?.stages.some(({ done = 0 }) => done >= 1) === true);
    return run;
  };
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
    const run = await evaluateInPart('two', addresses());
    assert(endpoints[1]!.requests.length > 1, 'both were asked');
    await closeEndpoint(1);
    open();
    await run.result();
    assert.deepEqual(await judgments('two'), undisturbed);
  });

  it('waits and says so while all endpoints are down, even if the worker is killed meanwhile, and ends with the same artifact', async () => {
    const run = await evaluateInPart('away', addresses());
    await Promise.all([closeEndpoint(0), closeEndpoint(1)]);
    open();
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
    const run = await evaluateInPart('cancelled', endpoints[0]!.baseUrl);
    await closeEndpoint(0);
    await waitReason(run);
    await run.cancel();
    await assert.rejects(run.result());
    assert.equal((await run.progress()).status, 'cancelled');
  });

  it('fails at once if the key is rejected during the stage', async () => {
    const run = await evaluateInPart('rejected', addresses());
    endpoints[1]!.script(() => ({ kind: 'status', status: 401, error: { message: 'unknown key' } }));
    open();
    await assert.rejects(run.result());
    assert.equal((await run.progress()).status, 'failed');
  });
});
