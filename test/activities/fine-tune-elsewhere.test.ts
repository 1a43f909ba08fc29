import assert from 'node:assert/strict';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger } from '@temporalio/worker';
import { fineTune } from '../../src/activities/fine-tune.ts';
import type { ActivityHeartbeat } from '../../src/api/activity-types.ts';
import type { TrainingLease } from '../../src/models/training/job.ts';
import { newestStart } from '../../src/models/training/trainer-starts.ts';
import { identifyProcess } from '../../src/platform/process-identity.ts';
import { runUris } from '../../src/runs/run-layout.ts';
import { startTestRun, type TestRun } from '../support/test-run.ts';
import { openObjectStore } from '../../src/store/drivers.ts';

describe('following a trainer of another machine', () => {
  let testRun: TestRun;

  beforeEach(async () => {
    testRun = await startTestRun();
  });
  afterEach(() => testRun.close());

  it('needs no GPU of this machine until it has to start a trainer here, and says meanwhile what it waits for', async () => {
    const { deps, run } = testRun;
    await deps.gpus.acquire({ runName: 'other', owner: 'other', purpose: 'trains M_1' });
    const folder = deps.store.locate(runUris.training('test', 1));
    await mkdir(folder, { recursive: true });
    const lease: TrainingLease = {
      ...(await identifyProcess(process.pid))!,
      ...{ host: 'elsewhere', token: 'there', renewedAt: 'now' },
    };
    await writeFile(join(folder, 'lease.json'), JSON.stringify(lease));

    const heartbeats: (ActivityHeartbeat & { phase?: string })[] = [];
    const latest = async (is: (heartbeat: (typeof heartbeats)[number]) => boolean) => {
      while (!heartbeats.some(is)) await sleep(20);
    };
    const environment = new MockActivityEnvironment(
      { heartbeatTimeoutMs: 1500 },
      { logger: new DefaultLogger('ERROR') },
    );
    environment.on('heartbeat', (details: ActivityHeartbeat) => heartbeats.push(details));
    const trainingSet = await testRun.publish('test/training-set', [{ messages: [] }], 1);
    const base = { checkpoint: 'embedded/model', sha256: 'hash' };
    const following = assert.rejects(
      environment.run(() => fineTune(deps, { run, iteration: 1, base, trainingSet })),
      { name: 'CancelledFailure' },
    );
    await latest(({ phase }) => phase === 'training');
    assert.equal(await deps.gpus.usedByOthers('other'), undefined);
    await latest(
      ({ wait }) => wait?.reason.startsWith('The trainer on elsewhere shows no sign of life.') === true,
    );

    await rm(join(folder, 'lease.json'));
    await latest(({ wait }) => wait?.reason.includes('run other trains M_1') === true);
    assert.equal(await newestStart(openObjectStore(folder)), undefined);
    environment.cancel();
    await following;
  });
});
