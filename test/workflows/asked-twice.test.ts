import assert from 'node:assert/strict';
import { once } from 'node:events';
import { globSync } from 'node:fs';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startRun } from '../../src/client/index.ts';
import { startCluster, type Cluster } from '../support/cluster.ts';
import { isCanary, startScriptedEndpoint, type ScriptedEndpoint } from '../support/scripted-endpoint.ts';
import { isJudgeRequest, repeatedRequests } from '../support/scripted-run.ts';
import { scriptedAnswers, stageStarted, tinyConfiguration, waitForProgress } from '../support/tiny-run.ts';

/** So few that the endpoint is asked for more meanwhile. */
const MOST_HELD = 3;

/** How many others a gate lets through: more would end the stage on a slow machine before its attempts are replaced. */
const MOST_ANSWERED = 40;

type Stage = 'generatePairs' | 'judgePairs';

describe('a run on two workers', function () {
  this.timeout(600_000);
  /** Of the requests of one stage, holds the first and, once it has let others through, all further ones. */
  let gate: {
    readonly isFor: Stage;
    readonly opened: Promise<void>;
    readonly open: () => void;
    requests: number;
  };
  let endpoint: ScriptedEndpoint;
  let cluster: Cluster;

  before(async () => {
    endpoint = await startScriptedEndpoint({
      script(request) {
        const answer = scriptedAnswers(request);
        if (answer.kind !== 'answer') return answer;
        const stage = isJudgeRequest(request.body) ? 'judgePairs' : 'generatePairs';
        if (stage !== gate.isFor || isCanary(request.body)) return { ...answer, afterMilliseconds: 100 };
        gate.requests += 1;
        const isHeld = gate.requests <= MOST_HELD || gate.requests > MOST_HELD + MOST_ANSWERED;
        return { ...answer, afterMilliseconds: 100, heldUntil: isHeld ? gate.opened : undefined };
      },
    });
    cluster = await startCluster();
  });
  after(async () => {
    await cluster.close();
    await endpoint.close();
  });

  function newGate(isFor: Stage): typeof gate {
    let open: () => void = () => undefined;
    const opened = new Promise<void>((resolve) => (open = resolve));
    return { isFor, opened, open, requests: 0 };
  }

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
    const requestsAtGate = async (count: number) => {
      while (gate.requests < count) await sleep(20);
    };
    gate = newGate('generatePairs');
    let run = await start();
    for (const next of ['generatePairs', 'judgePairs', 'judgePairs'] as const) {
      await requestsAtGate(10);
      const before = attempts();
      await terminate();
      run = await start();
      while ([...attempts()].some(([shard, count]) => count === before.get(shard))) await sleep(20);
      // Within this time the next attempts would send the requests that are held.
      await sleep(1000);
      const { open } = gate;
      gate = newGate(next);
      open();
    }
    await requestsAtGate(10);
    const exited = once(workers[0]!.child, 'exit');
    workers[0]!.child.kill('SIGTERM');
    await sleep(1000);
    gate.open();
    await exited;
    await waitForProgress(run, stageStarted('fineTune', 1));
    // The workers stop the training, which a run that is terminated leaves to its next start.
    await cluster.stopWorkers();
    assert(endpoint.requests.length > 300, `only ${endpoint.requests.length} requests`);
    assert.equal(repeatedRequests(endpoint.requests), 0);
  });
});
