import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startRun } from '../../src/client/index.ts';
import { allProgress } from '../../src/models/training/job.ts';
import { newestStart } from '../../src/models/training/trainer-starts.ts';
import { startCluster, type Cluster } from '../support/cluster.ts';
import { startScriptedEndpoint, type ScriptedEndpoint } from '../support/scripted-endpoint.ts';
import { tinyConfiguration, scriptedAnswers } from '../support/tiny-run.ts';
import { openObjectStore } from '../../src/store/drivers.ts';

describe('a run whose worker with the role gpu is gone while its trainer works', function () {
  this.timeout(300_000);
  let cluster: Cluster;
  let endpoint: ScriptedEndpoint;

  before(async () => {
    cluster = await startCluster();
    endpoint = await startScriptedEndpoint({ script: scriptedAnswers });
  });
  after(async () => {
    await cluster.close();
    await endpoint.close();
  });

  it('stops the trainer with a checkpoint when it is cancelled', async () => {
    cluster.startWorker('--roles', 'workflow,inference');
    const gpu = cluster.startWorker('--roles', 'gpu');
    const hyperparameters = {
      ...{ epochs: 1000, maxSteps: 5000, saveSteps: 5000, perDeviceBatchSize: 4 },
      ...{ gradientAccumulationSteps: 1, maxLength: 1024 },
    };
    const run = await startRun(
      cluster.client,
      tinyConfiguration('left', endpoint.baseUrl, {
        fineTuning: { rounds: [{ method: 'sft', hyperparameters }], threads: 1 },
        timeouts: { heartbeatSeconds: 5, workerWaitSeconds: 5 },
      }),
    );
    const training = join(cluster.storeRoot, 'left/iteration-1/training');
    const steps = async () =>
      allProgress(await readFile(join(training, 'progress.jsonl'), 'utf8').catch(() => ''));
    while ((await steps()).length < 3) await sleep(100);
    await gpu.kill();
    await run.cancel();
    await assert.rejects(run.result());
    const { exit } = (await newestStart(openObjectStore(training)))!;
    assert.equal(exit?.exitCode, 75);
    const last = (await steps()).at(-1)!.step;
    assert(existsSync(join(training, 'checkpoints', `checkpoint-${last}`, 'complete.json')));
  });
});
