/** Trainings whose files are in a bucket, by the real trainer on a real S3 server. */
import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  TrainingCrashed,
  TrainingDetached,
  TrainingFailedPermanently,
  TrainingStalled,
  TrainingStopped,
} from '../../../src/models/training/errors.ts';
import { followTraining, type FollowOptions } from '../../../src/models/training/follow-training.ts';
import {
  allProgress,
  leaseSchema,
  type TrainingJob,
  type TrainingLease,
  type TrainingResult,
} from '../../../src/models/training/job.ts';
import { processJob, processLauncher } from '../../../src/models/training/launchers/process.ts';
import { prunedModel, recordPrunedModel } from '../../../src/models/training/pruned-model.ts';
import { stopTrainer } from '../../../src/models/training/stop-training.ts';
import { readFaults } from '../../../src/models/training/trainer-faults.ts';
import {
  newestStart,
  recordLaunch,
  startPrefix,
  startTokens,
} from '../../../src/models/training/trainer-starts.ts';
import { packageRoot } from '../../../src/platform/package-root.ts';
import { ArtifactStore } from '../../../src/store/artifact-store.ts';
import { openObjectStore } from '../../../src/store/drivers.ts';
import type { ObjectStore } from '../../../src/store/objects/object-store.ts';
import { heldTraining, interruptedAfter } from '../../support/interrupted-training.ts';
import { sftJob, writeSftInputs } from '../../support/sft-job.ts';
import { useBucket } from '../../support/use-bucket.ts';

const python = process.env['SELF_TAUGHT_EVALUATOR_PYTHON'] ?? 'python3';
const CHECKPOINT_EVERY = 10;
const STEPS = 40;
const TRAINER = ['{python}', '-m', 'trainer', '--job', '{job}'];

describe('a training whose files are in a bucket', function () {
  this.timeout(600_000);
  const bucket = useBucket();
  let folder: string;
  let place: string;
  /** Of the same training in a folder. */
  let reference: TrainingResult;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'bucket-training-'));
    await writeSftInputs(python, folder);
    Object.assign(process.env, bucket.server.environment);
    place = bucket.newAddress();
    const inputs = openObjectStore(place);
    for (const name of await readdir(join(folder, 'base')))
      await inputs.put(`base/${name}`, await readFile(join(folder, 'base', name)));
    await inputs.put('sft.jsonl', await readFile(join(folder, 'sft.jsonl')));
    reference = await follow(jobIn(folder, 'reference'));
  });
  after(() => rm(folder, { recursive: true, force: true }));

  function jobIn(root: string, name: string): TrainingJob {
    const hyperparameters = {
      ...{ epochs: 5, perDeviceBatchSize: 4, gradientAccumulationSteps: 1, learningRate: 1e-3 },
      ...{ warmupSteps: 0, maxLength: 32, precision: 'float32', saveSteps: CHECKPOINT_EVERY },
    };
    const at = (key: string) => `${root}/${key}`;
    return sftJob(folder, name, hyperparameters, {
      baseCheckpoint: at('base'),
      data: at('sft.jsonl'),
      outputFolder: at(name),
    });
  }

  function follow(job: TrainingJob, options: Partial<FollowOptions> = {}): Promise<TrainingResult> {
    const environment = {
      ...process.env,
      OMP_NUM_THREADS: '1',
      SELF_TAUGHT_EVALUATOR_CACHE: join(folder, 'cache'),
    };
    return followTraining({
      job,
      launcher: processLauncher,
      settings: { kind: 'process', command: TRAINER },
      machine: { python, packageRoot, environment },
      pollMilliseconds: 100,
      ...options,
    });
  }

  const remote = (name: string) => {
    const job = jobIn(place, name);
    return { job, training: openObjectStore(job.outputFolder) };
  };

  /** Checks that a training left what one in a folder leaves, and the same weights. */
  async function assertDone(training: ObjectStore, result: TrainingResult): Promise<void> {
    assert.equal(result.model.sha256, reference.model.sha256);
    const names = (await training.children('')).map(({ name }) => name);
    const expected = (await readdir(join(folder, 'reference'))).filter((name) => !name.endsWith('.lock'));
    assert.deepEqual(
      names.filter((name) => name !== 'went-wrong'),
      expected.sort(),
    );
    const steps = allProgress((await training.get('progress.jsonl'))!.content.toString());
    assert.equal(steps.at(-1)?.step, STEPS);
    assert.match((await training.get('trainer.log'))!.content.toString(), /steps on /);
  }

  it('outlives its follower and is taken over by the next one, to the weights of one in a folder', async () => {
    const { job, training } = remote('followed');
    const shutDown = new AbortController();
    const held = heldTraining(5, join(folder, 'holds'));
    const first = follow(job, {
      settings: held.settings,
      signal: shutDown.signal,
      onAbort: () => 'detach',
      onProgress: ({ phase }) => phase === 'training' && shutDown.abort(),
    });
    await assert.rejects(first, TrainingDetached);
    const phases = new Set<string>();
    const result = await follow(job, {
      onProgress({ phase }) {
        if (phase === 'training' && !phases.has(phase)) void held.release(job);
        phases.add(phase);
      },
    });
    assert(phases.has('training'));
    assert.equal((await startTokens(training)).length, 1, 'one start');
    await assertDone(training, result);
    const noTrainer = { settings: { kind: 'process', command: ['no-such-program'] } };
    assert.deepEqual(await follow(job, noTrainer), result, 'it is done, without a trainer');
  });

  it('goes on from its newest checkpoint after SIGKILL, with one trainer for two followers', async () => {
    const { job, training } = remote('killed');
    const kill = async () => {
      // No other one comes before step 26, after which it waits.
      while ((await checkpoints(training))[0] !== 2 * CHECKPOINT_EVERY) await sleep(20);
      process.kill((await leaseOf(training)).pid, 'SIGKILL');
    };
    await assert.rejects(
      follow(
        job,
        interruptedAfter(25, () => void kill()),
      ),
      (error) => {
        assert(error instanceof TrainingCrashed, String(error));
        assert.match(error.message, /killed by SIGKILL \(log: s3:\/\/\S+\/killed\/trainer\.log\)$/);
        return true;
      },
    );
    assert.deepEqual(await readdir(join(folder, 'cache/trainer-logs')), [], 'what it printed is in its log');
    const [newest] = await checkpoints(training);
    const [one, two] = await Promise.all([follow(job), follow(job)]);
    assert.deepEqual(one, two);
    assert.equal((await startTokens(training)).length, 2);
    assert.deepEqual(one.resumedFromSteps, [newest]);
    await assertDone(training, one);
  });

  it('stops with a checkpoint when it is asked by an object, and resumes from it', async () => {
    const { job, training } = remote('stopped');
    let stopping: Promise<void> | undefined;
    const options = { reason: 'a test', stallSeconds: 60 };
    const stop = () => {
      stopping = stopTrainer(training, processLauncher, options, new AbortController().signal);
    };
    await assert.rejects(follow(job, interruptedAfter(15, stop)), TrainingStopped);
    await stopping;
    const start = (await newestStart(training))!;
    assert.equal(start.exit?.exitCode, 75);
    const [newest = 0] = await checkpoints(training);
    assert(newest > 15 && newest < STEPS);
    const result = await follow(job);
    assert.deepEqual(result.resumedFromSteps, [newest]);
    await assertDone(training, result);
    assert.equal(await training.get('stop.json'), undefined);
  });

  it('goes on with another trainer when the machine of the first is lost, by the silence of its lease', async () => {
    const { job, training } = remote('lost');
    const detach = new AbortController();
    const first = follow(job, {
      ...interruptedAfter(15, () => detach.abort()),
      signal: detach.signal,
      onAbort: () => 'detach',
    });
    await assert.rejects(first, TrainingDetached);
    const lease = await leaseOf(training);
    process.kill(lease.pid, 'SIGKILL');
    // Seen from here it was on another machine, and others have seen its lease for long.
    const elsewhere = { ...lease, host: 'elsewhere' };
    await recordLaunch(training, lease.token, processJob(elsewhere));
    const silence = { sign: lease.renewedAt, seconds: 29 };
    await training.put('lease.json', JSON.stringify(elsewhere));
    await training.put(`${startPrefix(lease.token)}/silence.json`, JSON.stringify(silence));
    const silentHosts = new Set<string | undefined>();
    const result = await follow(job, { onProgress: ({ silentHost }) => silentHosts.add(silentHost) });
    assert(silentHosts.has('elsewhere'));
    assert.equal((await startTokens(training)).length, 2);
    assert.equal(result.resumedFromSteps.length, 1);
    assert.deepEqual(await readFaults(training), [], 'a lost machine is no fault of the training');
    await assertDone(training, result);
  });

  it('is ended when its trainer is frozen, and goes on from its newest checkpoint', async () => {
    const { job, training } = remote('frozen');
    const freeze = async () => {
      while ((await checkpoints(training)).length === 0) await sleep(20);
      process.kill((await leaseOf(training)).pid, 'SIGSTOP');
    };
    const frozen = follow(job, {
      ...interruptedAfter(15, () => void freeze()),
      stallLimits: { seconds: 15, firstStepSeconds: 300 },
    });
    await assert.rejects(frozen, TrainingStalled);
    const [newest] = await checkpoints(training);
    const result = await follow(job);
    assert.deepEqual(result.resumedFromSteps, [newest]);
    assert.deepEqual(
      (await readFaults(training)).map(({ kind }) => kind),
      ['stalled'],
    );
    await assertDone(training, result);
  });

  it('is found damaged when its model is, is set aside, and trained again', async () => {
    const { job, training } = remote('damaged');
    const { model } = await follow(job);
    const [weights] = model.files.filter(({ name }) => name.endsWith('.safetensors'));
    await training.put(`model/${weights?.name}`, Buffer.alloc(weights?.bytes ?? 0));
    await assert.rejects(follow(job), /model\/model\.safetensors does not have the sha256 of result\.json/);
    const store = new ArtifactStore(openObjectStore(place));
    await store.quarantineFolder('damaged', 'a test', ['result.json']);
    assert.deepEqual(await training.list(''), []);
    const [aside] = (await store.names('')).filter((name) => name.startsWith('damaged.quarantined-'));
    assert((await store.names(`${aside}/model`)).includes('config.json'));
    await assertDone(training, await follow(job));

    // The result of a model that was deleted since is still known.
    await recordPrunedModel(store, 'damaged', { prunedAt: 'now', bytes: 1 });
    for (const { key } of await training.list('model')) await training.delete(key);
    assert((await prunedModel(store, 'damaged')) !== undefined);
    assert.equal((await follow(job)).model.sha256, reference.model.sha256);
  });

  it('fails for good with the end of its log after the sixth crash that nobody could explain', async () => {
    const { job, training } = remote('crashing');
    const command = ['sh', '-c', "echo 'CUDA out of memory' >&2; exit 1"];
    const crash = () => follow(job, { settings: { kind: 'process', command } });
    for (const _ of [1, 2, 3, 4, 5]) await assert.rejects(crash(), TrainingCrashed);
    await assert.rejects(crash(), (error) => {
      assert(error instanceof TrainingFailedPermanently, String(error));
      assert.match(error.message, /6 times in a row .* Its log ends: .*CUDA out of memory \(log: s3:/);
      return true;
    });
    const log = (await training.get('trainer.log'))!.content.toString();
    assert.equal(log, 'CUDA out of memory\n'.repeat(6));
  });

  it('fails for good with what was printed if the trainer could not begin', async () => {
    const { job } = remote('unable');
    const withoutPackage =
      "import runpy, sys; sys.modules['boto3'] = None; runpy.run_module('trainer', run_name='__main__')";
    const command = ['{python}', '-c', withoutPackage, '--job', '{job}'];
    await assert.rejects(follow(job, { settings: { kind: 'process', command } }), (error) => {
      assert(error instanceof TrainingFailedPermanently, String(error));
      assert.match(
        error.message,
        /could not begin: exit code 78; its log ends: trainer: \S+python\S*: import of boto3 halted/,
      );
      return true;
    });
  });

  async function leaseOf(training: ObjectStore): Promise<TrainingLease> {
    return leaseSchema.parse(JSON.parse((await training.get('lease.json'))!.content.toString()));
  }

  /** The steps of the complete checkpoints, the newest first. */
  async function checkpoints(training: ObjectStore): Promise<number[]> {
    const keys = (await training.list('checkpoints')).map(({ key }) => key);
    return keys
      .filter((key) => key.endsWith('/complete.json'))
      .map((key) => Number(/checkpoint-(\d+)/.exec(key)?.[1]))
      .sort((a, b) => b - a);
  }
});
