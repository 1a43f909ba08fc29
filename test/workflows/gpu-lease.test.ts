import assert from 'node:assert/strict';
import { globSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startRun, type RunProgress } from '../../src/client/index.ts';
import { MachineGpus } from '../../src/models/gpus/machine-gpus.ts';
import { visibleGpus } from '../../src/models/gpus/visible-gpus.ts';
import { startCluster, type Cluster } from '../support/cluster.ts';
import { startScriptedEndpoint, type ScriptedEndpoint } from '../support/scripted-endpoint.ts';
import { scriptedAnswers, tinyConfiguration, waitForProgress } from '../support/tiny-run.ts';

const RUNS = ['first', 'second', 'third'];

describe('runs on one GPU machine', function () {
  this.timeout(600_000);
  let endpoint: ScriptedEndpoint;
  let cluster: Cluster;

  before(async () => {
    endpoint = await startScriptedEndpoint({ script: scriptedAnswers });
    cluster = await startCluster();
  });
  after(async () => {
    await cluster.close();
    await endpoint.close();
  });

  it('train one after the other, and say which run they wait for', async () => {
    const folder = process.env['SELF_TAUGHT_EVALUATOR_MACHINE_FOLDER'] ?? '';
    const gpus = new MachineGpus(folder, visibleGpus(process.env));
    const held = await gpus.acquire({ runName: 'other', owner: 'other', purpose: 'trains M_1' });
    cluster.startWorker();
    const runs = await Promise.all(
      RUNS.map((runName) => startRun(cluster.client, tinyConfiguration(runName, endpoint.baseUrl))),
    );
    const trainings = () => globSync(join(cluster.storeRoot, '*', 'iteration-1', 'training', 'lease.json'));
    const isWaiting = ({ waits = [] }: RunProgress) =>
      waits.some(({ reason }) => /waits for GPU machine .*: run other trains M_1/.test(reason));
    for (const run of runs) await waitForProgress(run, isWaiting);
    assert.deepEqual(trainings(), []);
    await held.release();
    let isOver = false;
    const results = Promise.all(runs.map((run) => run.result())).finally(() => (isOver = true));
    const atOnce = new Set<number>();
    for (let before = trainings(); !isOver; await sleep(100)) {
      const now = trainings();
      // One look at several files takes a while; what two looks see was there between them.
      atOnce.add(now.filter((training) => before.includes(training)).length);
      before = now;
    }
    await results;
    assert.deepEqual(atOnce, new Set([0, 1]));
  });
});
