import assert from 'node:assert/strict';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { startRun } from '../../src/client/index.ts';
import { startCluster, type Cluster } from '../support/cluster.ts';
import { startScriptedEndpoint, type ScriptedEndpoint } from '../support/scripted-endpoint.ts';
import { repeatedRequests } from '../support/scripted-run.ts';
import { scriptedAnswers, stageStarted, tinyConfiguration, waitForProgress } from '../support/tiny-run.ts';

describe('a run on two workers whose requests take a second', function () {
  this.timeout(300_000);
  let endpoint: ScriptedEndpoint;
  let cluster: Cluster;

  before(async () => {
    endpoint = await startScriptedEndpoint({
      script(request) {
        const answer = scriptedAnswers(request);
        return answer.kind === 'answer' ? { ...answer, afterMilliseconds: 1000 } : answer;
      },
    });
    cluster = await startCluster();
  });
  after(async () => {
    await cluster.close();
    await endpoint.close();
  });

  it('asks for nothing twice though it is terminated and started again, and its workers are stopped', async () => {
    const startWorker = () => cluster.startWorker('--shutdown-grace-seconds', '10');
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
    const during = async (stage: string) => {
      await waitForProgress(run, stageStarted(stage, 1));
      const asked = endpoint.requests.length;
      while (endpoint.requests.length < asked + 10) await sleep(20);
    };
    for (const stage of ['generatePairs', 'generatePairs', 'judgePairs']) {
      await during(stage);
      await terminate();
      run = await start();
    }
    await during('judgePairs');
    const exited = once(workers[0]!.child, 'exit');
    workers[0]!.child.kill('SIGTERM');
    await exited;
    await waitForProgress(run, stageStarted('fineTune', 1));
    await terminate();
    assert(endpoint.requests.length > 300, `only ${endpoint.requests.length} requests`);
    assert.equal(repeatedRequests(endpoint.requests), 0);
  });
});
