import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { identifyProcess, isSameProcessAlive } from '../../../src/platform/process-identity.ts';
import {
  TrainingCrashed,
  TrainingFailedPermanently,
  TrainingStalled,
} from '../../../src/models/training/errors.ts';
import { readFaults, recordFault, type TrainerFault } from '../../../src/models/training/trainer-faults.ts';
import { processJob, processLauncher } from '../../../src/models/training/launchers/process.ts';
import { followTraining, type FollowOptions } from '../../../src/models/training/follow-training.ts';
import { leaseSchema, type TrainingJob, type TrainingLease } from '../../../src/models/training/job.ts';
import { StallDetector } from '../../../src/models/training/stall-detector.ts';
import {
  claimStart,
  newestStart,
  recordExit,
  recordLaunch,
  recordRunning,
} from '../../../src/models/training/trainer-starts.ts';
import { TrainingMonitor } from '../../../src/models/training/training-monitor.ts';
import { packageRoot } from '../../../src/platform/package-root.ts';
import { interruptedAfter } from '../../support/interrupted-training.ts';
import { sftJob, writeSftInputs } from '../../support/sft-job.ts';
import { openObjectStore } from '../../../src/store/drivers.ts';
import type { ObjectStore } from '../../../src/store/objects/object-store.ts';

const python = process.env['SELF_TAUGHT_EVALUATOR_PYTHON'] ?? 'python3';
const environment = { ...process.env, OMP_NUM_THREADS: '1' };
const trainer = (command: readonly string[]) => ({
  launcher: processLauncher,
  settings: { kind: 'process', command },
  machine: { python, packageRoot, environment },
});
const CHECKPOINT_EVERY = 10;
const STEPS = 40;

describe('a training that goes wrong', function () {
  this.timeout(900_000);
  let folder: string;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'faults-'));
    await writeSftInputs(python, folder);
  });
  after(() => rm(folder, { recursive: true, force: true }));

  function jobIn(name: string): TrainingJob {
    const hyperparameters = {
      ...{
        epochs: 5,
        perDeviceBatchSize: 4,
        gradientAccumulationSteps: 1,
        learningRate: 1e-3,
        warmupSteps: 0,
      },
      ...{ maxLength: 32, precision: 'float32', saveSteps: CHECKPOINT_EVERY },
    };
    return sftJob(folder, name, hyperparameters);
  }

  /**
   * For trainings that stall; any other one must not, however busy the machine is. Shorter than a start, which takes as long as
   * its imports: the allowance before the first step is needed.
   */
  const stallLimits = { seconds: 4, firstStepSeconds: 600 };

  const follow = (job: TrainingJob, command: readonly string[], options: Partial<FollowOptions> = {}) =>
    followTraining({
      job,
      ...trainer(command),
      pollMilliseconds: 20,
      ...options,
    });
  const sound = ['{python}', '-m', 'trainer', '--job', '{job}'];
  const failing = (how: string, step: number) => [
    '{python}',
    join(import.meta.dirname, 'failing_trainer.py'),
    how,
    String(step),
    '--job',
    '{job}',
  ];

  it('is killed with its process group if it is frozen, and resumes from its newest checkpoint to the same weights', async () => {
    const [whole, job] = [jobIn('whole'), jobIn('frozen')];
    let frozen: TrainingLease | undefined;
    const stalling = follow(job, sound, {
      stallLimits,
      ...interruptedAfter(15, () => {
        void leaseOf(job).then((lease) => {
          frozen = lease;
          process.kill(lease.pid, 'SIGSTOP');
        });
      }),
    });
    const began = performance.now();
    await assert.rejects(stalling, (error) => {
      assert(error instanceof TrainingStalled, String(error));
      assert.match(error.message, /showed no progress for \d+ s after step \d+ and was stopped \(log: /);
      return true;
    });
    assert(performance.now() - began > 6_000, 'it was given its time, and its time to save');
    assert(frozen !== undefined && !(await isSameProcessAlive(frozen)), 'it is gone');
    const newest = Math.max(...(await wholeCheckpoints(job)));
    assert.equal(newest % CHECKPOINT_EVERY, 0, 'it could not save another');

    const [reference, resumed] = await Promise.all([follow(whole, sound), follow(job, sound)]);
    assert.deepEqual(resumed.resumedFromSteps, [newest]);
    assert.equal(resumed.model.sha256, reference.model.sha256);
    assert.deepEqual(
      (await readFaults(openObjectStore(job.outputFolder))).map(({ kind, isLast }) => [kind, isLast]),
      [['stalled', false]],
    );
    assert.deepEqual(await readFaults(openObjectStore(whole.outputFolder)), []);
  });

  it('saves a checkpoint if it stalls but handles the signal, and resumes from there', async () => {
    const job = jobIn('paused');
    await assert.rejects(follow(job, failing('pause', 15), { stallLimits }), TrainingStalled);
    assert.deepEqual(await wholeCheckpoints(job), [10, 15]);
    const resumed = await follow(job, failing('pause', 15));
    assert.deepEqual([resumed.resumedFromSteps, resumed.steps], [[15], STEPS]);
  });

  it('fails for good at the third stall without a step in between', async () => {
    const job = jobIn('freezing');
    const options = { stallLimits: { seconds: 2, firstStepSeconds: 600 } };
    for (const _ of [1, 2]) await assert.rejects(follow(job, failing('freeze', 3), options), TrainingStalled);
    await assert.rejects(follow(job, failing('freeze', 3), options), (error) => {
      assert(error instanceof TrainingFailedPermanently, String(error));
      assert.match(error.message, /after step 3 and was stopped, 3 times in a row without a step in between/);
      return true;
    });
  });

  it('fails for good with the text of its exception after the third one at the same step', async () => {
    const job = jobIn('raising');
    for (const _ of [1, 2]) await assert.rejects(follow(job, failing('raise', 12)), TrainingCrashed);
    await assert.rejects(follow(job, failing('raise', 12)), (error) => {
      assert(error instanceof TrainingFailedPermanently, String(error));
      assert.match(
        error.message,
        /RuntimeError: example [\d.]+ is bad; 3 times in a row without a step in between/,
      );
      return true;
    });
  });

  it('counts refusals of the operating system, whatever start they name', async () => {
    const job = jobIn('forbidden');
    for (const _ of [1, 2])
      await assert.rejects(follow(job, failing('forbid', 2)), (error) => {
        assert(error instanceof TrainingCrashed, String(error));
        assert.equal(error.exitCode, 71);
        return true;
      });
    const training = openObjectStore(job.outputFolder);
    const [first, second] = await readFaults(training);
    assert.deepEqual([first?.kind, second?.kind], ['system', 'system']);
    const token = crypto.randomUUID();
    await claimStart(training, { token, after: await newestStart(training), job, launcher: 'process' });
    const message = first!.message.replace(/[0-9a-f-]{36}/, crypto.randomUUID());
    assert.notEqual(message, first!.message);
    assert.equal((await recordFault(training, token, { ...first!, message })).times, 3);
  });

  it('may be tried again any number of times if the disk is full', async () => {
    const job = jobIn('refused');
    await assert.rejects(follow(job, failing('refuse', 2)), (error) => {
      assert(error instanceof TrainingCrashed, String(error));
      assert.equal(error.exitCode, 74);
      return true;
    });
    assert.deepEqual(await readFaults(openObjectStore(job.outputFolder)), []);
  });
});

describe('the faults of a training', () => {
  let folder: string;
  let training: ObjectStore;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'faults-'));
    training = openObjectStore(folder);
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  /** Notes a fault of another start each time; returns how many were alike then. */
  async function note(kind: TrainerFault['kind'], message: string, step: number) {
    const token = await start();
    const { times, fault } = await recordFault(training, token, { kind, message, step });
    return fault.isLast ? `${times}, the last` : times;
  }

  async function start(): Promise<string> {
    const token = crypto.randomUUID();
    const job = { outputFolder: folder } as TrainingJob;
    await claimStart(training, { token, after: await newestStart(training), job, launcher: 'process' });
    return token;
  }

  it('count as repeated if their texts differ only in numbers, and no step lies in between', async () => {
    assert.equal(await note('error', 'out of memory: 12.5 MB at 0x7f', 35), 1);
    assert.equal(await note('error', 'out of memory: 3 MB at 0x8a', 31), 2);
    assert.equal(await note('error', 'out of memory: 3 MB at 0x8a', 36), 1, 'it got a step further');
    assert.equal(await note('error', 'another error', 36), 1);
    assert.equal(await note('stalled', 'no progress', 36), 1);
    assert.equal(await note('stalled', 'no progress', 30), 2);
    assert.equal(await note('stalled', 'no progress', 30), '3, the last');
    assert.equal(await note('stalled', 'no progress', 30), 1, 'it was started again after it was given up');
  });

  it('of the operating system may come five times in a row; the sixth is the last', async () => {
    for (const times of [1, 2, 3, 4, 5])
      assert.equal(await note('system', 'PermissionError: [Errno 13] Permission denied: a', 0), times);
    assert.equal(await note('system', 'PermissionError: [Errno 13] Permission denied: b', 0), 1);
    for (const times of [2, 3, 4, 5])
      assert.equal(await note('system', 'PermissionError: [Errno 13] Permission denied: b', 7), times - 1);
    for (const times of [5, '6, the last'])
      assert.equal(await note('system', 'PermissionError: [Errno 13] Permission denied: b', 7), times);
  });

  it('may differ each time, but not more than eleven times without a step in between', async () => {
    for (let number = 1; number <= 11; number += 1)
      assert.equal(await note('error', `error ${'x'.repeat(number)}`, 4), 1);
    const token = await start();
    const { inARow, fault } = await recordFault(training, token, {
      kind: 'error',
      message: 'another',
      step: 4,
    });
    assert.deepEqual(
      [fault.isLast, inARow],
      [true, 'the last of 12 faults in a row without a step in between'],
    );
    assert.equal(await note('error', 'and another', 4), 1, 'it was started again after it was given up');
  });

  /** Follows a trainer that only says something and ends. */
  const followScript = (script: string) =>
    followTraining({
      job: { outputFolder: folder } as TrainingJob,
      ...trainer(['sh', '-c', script]),
      pollMilliseconds: 20,
      leaseSeconds: 0.1,
    });

  /** Notes a trainer that is gone, and that nobody saw go. */
  async function goneUnseen(boot: object = {}): Promise<void> {
    const self = await identifyProcess(process.pid);
    await recordLaunch(training, await start(), processJob({ ...self!, startTime: '1', ...boot }));
  }

  it('include crashes without a message, of which the sixth in a row fails for good with the end of the log', async () => {
    const dying = "echo 'torch.OutOfMemoryError: CUDA out of memory' >&2; echo ======; exit 1";
    for (const _ of [1, 2, 3, 4, 5]) await assert.rejects(followScript(dying), TrainingCrashed);
    await assert.rejects(followScript('kill -9 $$'), (error) => {
      assert(error instanceof TrainingFailedPermanently, String(error));
      assert.match(
        error.message,
        /killed by SIGKILL before its first step, 6 times in a row .* Its log ends: .*CUDA out of memory \(log: /,
      );
      assert.doesNotMatch(error.message, /=====/);
      return true;
    });
    await assert.rejects(followScript(dying), TrainingCrashed, 'it was started again after it was given up');
  });

  it('include crashes that nobody saw, but not the loss of a machine', async () => {
    const fails = (error: new (...given: never[]) => Error) => assert.rejects(followScript('exit 1'), error);
    for (const [index, lost] of [{ host: 'another' }, { bootId: 'before' }].entries()) {
      await goneUnseen(lost);
      await fails(TrainingCrashed);
      assert.equal(
        (await readFaults(training)).length,
        index + 1,
        'only of the one that was started in its place',
      );
    }
    await goneUnseen();
    await fails(TrainingCrashed);
    await goneUnseen();
    await fails(TrainingFailedPermanently);
    assert.deepEqual(
      (await readFaults(training)).map(({ kind, isLast }) => [kind, isLast]),
      [1, 2, 3, 4, 5, 6].map((times) => ['crashed', times === 6]),
    );
  });

  it('are reported when torchrun has ended, not when the first of its processes has', async () => {
    const watch = new TrainingMonitor(training, processLauncher, 30);
    const token = await start();
    const self = (await identifyProcess(process.pid))!;
    await recordLaunch(training, token, processJob(self));
    await recordExit(training, token, { exitCode: 1, message: 'RuntimeError: of rank 3' });
    assert.equal((await watch.readTrainer()).kind, 'starting');
    await recordLaunch(training, token, processJob({ ...self, startTime: '1' }));
    assert.equal((await watch.readTrainer()).kind, 'idle');
  });

  it('include stalls: nothing is written for longer than the limit, before or after the first step', async () => {
    await start();
    const { token } = (await newestStart(training))!;
    const progress = join(folder, 'progress.jsonl');
    await writeFile(progress, 'a step of an earlier start');
    await sleep(50);
    await recordRunning(training, token);
    const started = (await newestStart(training))!;
    const watch = new StallDetector(training, { seconds: 0.3, firstStepSeconds: 0.9 });
    const patient = new StallDetector(training, { seconds: 0.3, firstStepSeconds: 600 });
    const look = () => watch.stalledFor(started);

    assert.deepEqual([await look(), await patient.stalledFor(started)], [undefined, undefined]);
    await sleep(1000);
    assert.equal(await patient.stalledFor(started), undefined, 'the step is of an earlier start');
    assert((await look())! > 0.9);
    await mkdir(join(folder, 'checkpoints/checkpoint-1'), { recursive: true });
    await writeFile(progress, 'its first step');
    await writeFile(join(folder, 'checkpoints/checkpoint-1/weights'), 'a part');
    await sleep(100);
    assert.equal(await look(), undefined, 'it writes a checkpoint');
    await sleep(200);
    await utimes(join(folder, 'checkpoints/checkpoint-1/weights'), new Date(), new Date());
    assert.equal(await look(), undefined);
    await sleep(400);
    assert((await look())! > 0.3);
  });
});

async function leaseOf(job: TrainingJob): Promise<TrainingLease> {
  return leaseSchema.parse(JSON.parse(await readFile(join(job.outputFolder, 'lease.json'), 'utf8')));
}

async function wholeCheckpoints({ outputFolder }: TrainingJob): Promise<number[]> {
  const folder = join(outputFolder, 'checkpoints');
  const names = (await readdir(folder)).filter((name) => existsSync(join(folder, name, 'complete.json')));
  return names.map((name) => Number(name.replace('checkpoint-', ''))).sort((a, b) => a - b);
}
