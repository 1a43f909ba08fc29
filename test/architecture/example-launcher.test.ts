import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { TrainingStopped } from '../../src/models/training/errors.ts';
import { followTraining, type FollowOptions } from '../../src/models/training/follow-training.ts';
import type { TrainingJob } from '../../src/models/training/job.ts';
import { findLauncher, LAUNCHERS, launcherSchemaOf } from '../../src/models/training/launchers/registry.ts';
import { newestStart, trainerSecondsByStart } from '../../src/models/training/trainer-starts.ts';
import { queueLauncher, runQueue } from './example-launcher.ts';
import { openObjectStore } from '../../src/store/drivers.ts';

type Update = Parameters<NonNullable<FollowOptions['onProgress']>>[0];

describe('a second launcher', function () {
  this.timeout(60_000);
  let folder: string;
  /** Milliseconds by which the clock of this process is ahead. */
  let ahead = 0;
  const clock = performance.now.bind(performance);
  before(() => (performance.now = () => clock() + ahead));
  beforeEach(async () => (folder = await mkdtemp(join(tmpdir(), 'queue-'))));
  afterEach(() => rm(folder, { recursive: true }));
  after(() => (performance.now = clock));

  const launchers = [...LAUNCHERS, queueLauncher] as const;
  const seen = () => join(folder, 'seen');

  function follow(options: Partial<FollowOptions>) {
    // Says that it was stopped with a checkpoint, once it was seen running.
    const trainer = `while [ ! -e ${seen()} ]; do sleep 0.02; done; exit 75`;
    const settings = { kind: 'queue', command: ['sh', '-c', trainer] };
    return followTraining({
      job: { outputFolder: folder } as TrainingJob,
      launcher: findLauncher(launchers, settings.kind),
      settings: launcherSchemaOf(launchers).parse(settings),
      machine: { python: 'python3', packageRoot: folder, environment: process.env },
      pollMilliseconds: 20,
      stallLimits: { seconds: 60, firstStepSeconds: 60 },
      ...options,
    });
  }

  it('may keep a job waiting for longer than a training may stall, without GPU hours', async () => {
    const updates: Update[] = [];
    let end: unknown;
    const untilMore = async (than: number) => {
      while (updates.length <= than + 1 && end === undefined) await sleep(10);
      assert.equal(end, undefined);
    };
    const followed = follow({
      onProgress(update) {
        updates.push(update);
        if (update.phase === 'starting') writeFileSync(seen(), '');
      },
    }).catch((error: unknown) => (end = error));
    await untilMore(0);
    ahead = 120_000;
    await untilMore(updates.length);
    for (const { phase, why, trainer } of updates)
      assert.deepEqual([phase, why, trainer], ['queued', 'another trainer runs', undefined]);
    assert.equal((await newestStart(openObjectStore(folder)))?.runningSince, undefined);
    await runQueue();
    assert((await followed) instanceof TrainingStopped);
    assert(updates.some(({ phase }) => phase === 'starting'));
    assert.notEqual((await newestStart(openObjectStore(folder)))?.runningSince, undefined);
    assert.deepEqual(
      await trainerSecondsByStart(openObjectStore(folder)),
      {},
      'it has not said how it ended',
    );
  });

  it('ends a job that still waits when the training is cancelled', async () => {
    const cancel = new AbortController();
    const followed = follow({
      signal: cancel.signal,
      onAbort: () => 'stop',
      onProgress: ({ phase }) => phase === 'queued' && cancel.abort(),
    });
    await assert.rejects(followed, TrainingStopped);
    await runQueue();
    const { job = '' } = (await newestStart(openObjectStore(folder))) ?? {};
    assert.deepEqual(await queueLauncher.look(job), { phase: 'gone', reason: 'cancelled' });
  });
});
