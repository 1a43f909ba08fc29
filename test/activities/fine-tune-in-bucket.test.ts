import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ActivityCancellationDetails } from '@temporalio/common';
import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger } from '@temporalio/worker';
import { fineTune } from '../../src/activities/fine-tune.ts';
import type { FineTuneResult } from '../../src/api/activity-types.ts';
import { leaseSchema, type TrainingLease } from '../../src/models/training/job.ts';
import { isSameProcessAlive } from '../../src/platform/process-identity.ts';
import { recentActivity } from '../../src/runs/liveness.ts';
import { runUris } from '../../src/runs/run-layout.ts';
import { toReference } from '../../src/store/artifact.ts';
import type { ObjectStore } from '../../src/store/objects/object-store.ts';
import { HELD_STEP, HeldTrainings, heldTrainer } from '../support/held-example.ts';
import { startLocalServer } from '../support/local-server.ts';
import { writeSftInputs } from '../support/sft-job.ts';
import { startTestRun, type TestRun } from '../support/test-run.ts';
import { useBucket } from '../support/use-bucket.ts';

const python = process.env['SELF_TAUGHT_EVALUATOR_PYTHON'] ?? 'python3';
const STEPS = 10;

describe('fine-tuning with a store in a bucket', function () {
  this.timeout(600_000);
  const bucket = useBucket();
  let folder: string;
  let server: Awaited<ReturnType<typeof startLocalServer>>;
  const testRuns: TestRun[] = [];

  before(async () => {
    server = await startLocalServer();
    folder = await mkdtemp(join(tmpdir(), 'fine-tune-'));
    await writeSftInputs(python, folder);
  });
  after(async () => {
    for (const testRun of testRuns) await testRun.close();
    await server?.teardown();
    await rm(folder, { recursive: true, force: true });
  });

  /**
   * A run whose judge of its first iteration is to be trained, in a store of its own.
   * @param command of the trainer, by default the usual one
   */
  async function runIn(storeAddress?: string, command?: string[]) {
    const hyperparameters = {
      ...{ epochs: 1000, maxSteps: STEPS, perDeviceBatchSize: 4, gradientAccumulationSteps: 1 },
      ...{ learningRate: 1e-3, warmupSteps: 0, maxLength: 32, saveSteps: HELD_STEP - 1 },
      precision: 'float32' as const,
    };
    const fineTuning = {
      ...{ rounds: [{ method: 'sft' as const, hyperparameters }], threads: 1 },
      ...(command === undefined ? {} : { launcher: { kind: 'process' as const, command } }),
    };
    const testRun = await startTestRun({ fineTuning }, {}, storeAddress);
    testRuns.push(testRun);
    const { store } = testRun.deps;
    for (const name of await readdir(join(folder, 'base')))
      await store.objects.put(`earlier/model/${name}`, await readFile(join(folder, 'base', name)));
    const rows = (await readFile(join(folder, 'sft.jsonl'), 'utf8')).trim().split('\n');
    const trainingSet = await store.publish(runUris.trainingSet('test', 1), {
      fingerprint: { schema: 1 },
      records: rows.map((row) => JSON.parse(row) as unknown),
    });
    const environment = {
      ...process.env,
      OMP_NUM_THREADS: '1',
      SELF_TAUGHT_EVALUATOR_CACHE: join(folder, 'cache'),
    };
    return {
      activity: () => recentActivity(store, 'test'),
      training: store.objectsBelow(runUris.training('test', 1)),
      /** Begins an attempt of the activity, which `detach` ends as the shutdown of its worker does. */
      attempt: () => {
        const activity = new MockActivityEnvironment(
          { heartbeatTimeoutMs: 10_000 },
          { logger: new DefaultLogger('ERROR') },
        );
        const result = activity.run(() =>
          fineTune(
            { ...testRun.deps, temporal: server.client, python, environment, onShutdown: 'leave' },
            {
              run: testRun.run,
              iteration: 1,
              base: { checkpoint: 'store:earlier/model', sha256: 'base' },
              trainingSet: toReference(trainingSet),
            },
          ),
        );
        const details = new ActivityCancellationDetails({ workerShutdown: true });
        const detach = async () => {
          activity.cancel('WORKER_SHUTDOWN', details);
          await assert.rejects(result);
        };
        return {
          result: result as Promise<FineTuneResult>,
          follows: once(activity, 'heartbeat'),
          detach,
        };
      },
    };
  }

  it('trains the same judge as one in a folder, though trainer, follower and both are killed', async () => {
    const reference = await (await runIn()).attempt().result;
    const holdFolder = join(folder, 'holds');
    const storeRoot = bucket.newAddress();
    const { attempt, activity, training } = await runIn(storeRoot, heldTrainer(holdFolder));
    const held = new HeldTrainings({ client: server.client, storeRoot }, 'test', holdFolder);

    const first = attempt();
    first.result.catch(() => undefined);
    await held.held(1, 1);
    while ((await training.head(`checkpoints/checkpoint-${HELD_STEP - 1}/complete.json`)) === undefined)
      await sleep(50);
    process.kill((await leaseOf(training)).pid, 'SIGKILL');
    await assert.rejects(first.result, { name: 'TrainingCrashed' });

    const second = attempt();
    second.result.catch(() => undefined);
    await held.held(1, 2);
    await second.detach();
    const lease = await leaseOf(training);
    assert.match((await activity()) ?? '', /^a trainer runs in s3:\/\/\S+\/test\/iteration-1\/training$/);
    const third = attempt();
    third.result.catch(() => undefined);
    await third.follows;
    assert.equal((await leaseOf(training)).token, lease.token, 'it went on without a follower');

    await third.detach();
    process.kill(lease.pid, 'SIGKILL');
    while (await isSameProcessAlive(lease)) await sleep(20);
    await held.release(1);
    const { model, counts } = await attempt().result;
    assert.equal(model.sha256, reference.model.sha256);
    assert.equal(counts['steps'], STEPS);
    // The second start saved nothing.
    assert.deepEqual(await held.starts([1]), [{ starts: 3, resumedFromSteps: [HELD_STEP - 1] }]);
  });
});

async function leaseOf(training: ObjectStore): Promise<TrainingLease> {
  const found = await training.get('lease.json');
  return leaseSchema.parse(JSON.parse(found?.content.toString() ?? ''));
}
