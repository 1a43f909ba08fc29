import assert from 'node:assert/strict';
import { once } from 'node:events';
import { globSync } from 'node:fs';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startRun } from '../../src/client/index.ts';
import { startCluster, type Cluster } from '../support/cluster.ts';
import { isCanary, startScriptedEndpoint, type ScriptedEndpoint } from '../support/scripted-endpoint.ts';
import { repeatedRequests } from '../support/scripted-run.ts';
import { scriptedAnswers, stageStarted, tinyConfiguration, waitForProgress } from '../support/tiny-run.ts';

/** So few that the endpoint is asked for more meanwhile. */
const MOST_HELD = 3;

describe('a run on two workers', function () {
  this.timeout(300_000);
  let held: { readonly until: Promise<void>; requests: number } | undefined;
  let endpoint: ScriptedEndpoint;
  let cluster: Cluster;

  before(async () => {
    endpoint = await startScriptedEndpoint({
      script(request) {
        const answer = scriptedAnswers(request);
        if (answer.kind !== 'answer') return answer;
        const isHeld = !isCanary(request.body) && held !== undefined && held.requests < MOST_HELD;
        if (isHeld) held!.requests += 1;
        return { ...answer, afterMilliseconds: 100, heldUntil: isHeld ? held!.until : undefined };
      },
    });
    cluster = await startCluster();
  });
  after(async () => {
    await cluster.close();
    await endpoint.close();
  });

  /** The number of attempts that have claimed each unfinished shard. */
  function attempts(): Map<string, number> {
    const claims = globSync('**/*.journal/leases/*.json', { cwd: cluster.storeRoot });
    return new Map(Object.entries(Object.groupBy(claims, dirname)).map(([shard, of]) => [shard, of!.length]));
  }

  it('asks for nothing twice though it is terminated and started again, and its workers are stopped', async () => {
    const startWorker = () => cluster.startWorker('--shutdown-grace-seconds', '200');
    const workers = [startWorker(), startWorker()];
    const start = () =>
      startRun(
        cluster.client,
        tinyConfiguration('interrupted', endpoint.baseUrl, {
          instructions: { pool: ['embedded/instructions.jsonl'], maxInstructions: 100, shardSize: 25 },
          inference: { concurrentShards: 4, concurrentRequestsPerShard: 4 },
        }),
      );
    const terminate = () => cluster.client.workflow.getHandle('interrupted').terminate();
    let run = await start();
    const nextRequests = async (count: number) => {
      const asked = endpoint.requests.length;
      while (endpoint.requests.length < asked + count) await sleep(20);
    };
    for (const stage of ['generatePairs', 'generatePairs', 'judgePairs']) {
      await waitForProgress(run, stageStarted(stage, 1));
      let answer: () => void = () => undefined;
      held = { until: new Promise((resolve) => (answer = resolve)), requests: 0 };
      await nextRequests(10);
      const before = attempts();
      await terminate();
      run = await start();
      while ([...attempts()].some(([shard, count]) => count === before.get(shard))) await sleep(20);
      // Within this time the next attempts would send the requests that are held.
      await sleep(1000);
      answer();
      held = undefined;
    }
    await waitForProgress(run, stageStarted('judgePairs', 1));
    await nextRequests(10);
    const exited = once(workers[0]!.child, 'exit');
    workers[0]!.child.kill('SIGTERM');
    await exited;
    await waitForProgress(run, stageStarted('fineTune', 1));
    await terminate();
    assert(endpoint.requests.length > 300, `only ${endpoint.requests.length} requests`);
    assert.equal(repeatedRequests(endpoint.requests), 0);
  });
});
