import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { followTraining } from '../../../src/models/training/follow-training.ts';
import { allProgress, leaseSchema, type TrainingJob } from '../../../src/models/training/job.ts';
import { launcherOf, launcherSchema } from '../../../src/models/training/launchers/registry.ts';
import { readFaults } from '../../../src/models/training/trainer-faults.ts';
import { newestStart } from '../../../src/models/training/trainer-starts.ts';
import { packageRoot } from '../../../src/platform/package-root.ts';
import { heldTraining, paused, pausingTrainer } from '../../support/interrupted-training.ts';
import { sftJob, writeSftInputs } from '../../support/sft-job.ts';
import { startSlurm, whyNoSlurm, type SlurmCluster, type SlurmNode } from '../../support/slurm.ts';
import { openObjectStore } from '../../../src/store/drivers.ts';
import { readJsonObject } from '../../../src/store/objects/read-json-object.ts';
import { useBucket } from '../../support/use-bucket.ts';

const python = process.env['SELF_TAUGHT_EVALUATOR_PYTHON'] ?? 'python3';
/** Where trainers work whose files are in a bucket. */
const cacheFolder = join(tmpdir(), `slurm-cache-${process.pid}`);
const PROCESS = {
  kind: 'process',
  command: ['{python}', '-m', 'trainer', '--job', '{job}'],
};

describe('a training on Slurm', function () {
  this.timeout(900_000);
  let cluster: SlurmCluster;
  let folder: string;
  const original = process.env['SLURM_CONF'];

  before(async function () {
    const reason = whyNoSlurm();
    if (reason !== undefined) {
      console.log(`      skipped: ${reason}`);
      return this.skip();
    }
    cluster = await startSlurm([
      'PreemptType=preempt/partition_prio',
      'PreemptMode=CANCEL',
      'PartitionName=low Nodes=ALL PriorityTier=1 GraceTime=60',
      'PartitionName=high Nodes=ALL PriorityTier=10',
    ]);
    Object.assign(process.env, cluster.environment);
    folder = await mkdtemp(join(tmpdir(), 'slurm-trainings-'));
    await writeSftInputs(python, folder);
  });
  after(async () => {
    if (original === undefined) delete process.env['SLURM_CONF'];
    else process.env['SLURM_CONF'] = original;
    await cluster?.close();
    if (folder !== undefined) await rm(folder, { recursive: true });
    await rm(cacheFolder, { recursive: true, force: true });
  });

  it('goes on when its node is lost, and ends with the weights of an undisturbed training', async () => {
    const job = jobOf('node-lost', 400);
    const { result } = follow(job, { kind: 'slurm', command: pausingTrainer(31) });
    await paused(job);
    const { host } = await trainsWith(job, 30);
    await cluster.killNode(host as SlurmNode);
    const { resumedFromSteps, model, steps } = await result;
    assert.equal(steps, 400);
    assert.equal(resumedFromSteps.length, 1);
    assert.deepEqual(
      await readFaults(openObjectStore(job.outputFolder)),
      [],
      'a lost node is no fault of the training',
    );
    const undisturbed = await follow(jobOf('undisturbed', 400), PROCESS).result;
    assert.equal(model.sha256, undisturbed.model.sha256);
    await cluster.startNode(host as SlurmNode);
  });

  it('goes on in a next job at the time limit, and is cancelled with a checkpoint', async () => {
    const job = jobOf('limited', 1_000_000);
    const stop = new AbortController();
    const { result } = follow(job, { kind: 'slurm', time: '1', saveBeforeEndSeconds: 45 }, stop.signal);
    void result.catch(() => undefined);
    const first = await trainsWith(job, 30);
    await trainsWith(job, 30, first.token);
    const stepsOfFirst = (await progressOf(job)).length;
    assert.deepEqual(
      await readFaults(openObjectStore(job.outputFolder)),
      [],
      'a time limit is no fault of the training',
    );
    assert.match(
      await readFile(join(job.outputFolder, 'trainer.log'), 'utf8'),
      /steps on .*, from \S+checkpoint-\d+/,
    );
    stop.abort(new Error('a test'));
    await assert.rejects(result, { name: 'TrainingStopped' });
    const start = (await newestStart(openObjectStore(job.outputFolder)))!;
    // Perhaps it has reached its limit once more.
    assert.notEqual(start.token, first.token);
    assert.equal(start.exit?.exitCode, 75);
    const { step } = (await progressOf(job)).at(-1)!;
    assert(stepsOfFirst > 30);
    assert(existsSync(join(job.outputFolder, 'checkpoints', `checkpoint-${step}`, 'complete.json')));
    // No job is left, once Slurm has seen that the stopped one has ended.
    while ((await cluster.run('squeue', '-h')) !== '') await sleep(100);
  });

  it('is submitted by itself when the controller is back', async () => {
    await cluster.killController();
    const job = jobOf('later', 20);
    const { result, reasons } = follow(job, { kind: 'slurm' });
    while (reasons.length === 0) await sleep(50);
    assert.match(reasons[0] ?? '', /Unable to contact slurm controller/);
    await cluster.startController();
    assert.equal((await result).steps, 20);
  });

  it('trains on two nodes to the same weights as two processes of one machine', async () => {
    const job = jobOf('two-nodes', 20);
    // The nodes of this cluster have names that no resolver knows.
    const command = ['env', 'MASTER_ADDR=127.0.0.1', '{python}', '-m', 'trainer', '--job', '{job}'];
    const onNodes = await follow(job, { kind: 'slurm', nodes: 2, command }).result;
    const torchrun = ['{python}', '-m', 'torch.distributed.run', '--standalone', '--nproc-per-node=2'];
    const trainer = ['-m', 'trainer', '--job', '{job}'];
    const processes = { kind: 'process', command: [...torchrun, ...trainer] };
    const onOne = await follow(jobOf('two-processes', 20), processes).result;
    assert.equal(onNodes.model.sha256, onOne.model.sha256);
    const single = await follow(jobOf('one-process', 20), PROCESS).result;
    assert.notEqual(onNodes.model.sha256, single.model.sha256, 'both nodes have taken part');
  });

  it('goes on after it was preempted by another job', async () => {
    const job = jobOf('preempted', 400);
    const { result } = follow(job, {
      ...{ kind: 'slurm', partition: 'low', options: ['--exclusive'] },
      command: pausingTrainer(31),
    });
    await paused(job);
    const { token } = await trainsWith(job, 30);
    const other = await cluster.run(
      ...['sbatch', '--parsable', '--partition=high', '--nodes=2', '--exclusive', '--output=/dev/null'],
      '--wrap=sleep 5',
    );
    const { steps } = await result;
    assert.equal(steps, 400);
    assert.notEqual((await newestStart(openObjectStore(job.outputFolder)))!.token, token);
    assert.deepEqual(
      await readFaults(openObjectStore(job.outputFolder)),
      [],
      'a preemption is no fault of the training',
    );
    assert.match(await cluster.run('scontrol', 'show', 'job', other), /JobState=COMPLETED/);
  });

  describe('whose files are in a bucket', () => {
    const bucket = useBucket();

    it('goes on when its node is lost, and ends with the weights of one in a folder', async () => {
      const place = bucket.newAddress();
      for (const name of [
        'sft.jsonl',
        ...(await readdir(join(folder, 'base'))).map((each) => `base/${each}`),
      ])
        await openObjectStore(place).put(name, await readFile(join(folder, name)));
      const job = {
        ...jobOf('in-a-bucket', 400),
        ...{ baseCheckpoint: `${place}/base`, data: `${place}/sft.jsonl`, outputFolder: `${place}/training` },
      };
      const held = heldTraining(31, join(folder, 'holds'));
      const { result } = follow(job, { kind: 'slurm', command: held.settings.command });
      await held.held(job);
      const { host } = await trainsWith(job, 30);
      await cluster.killNode(host as SlurmNode);
      await held.release(job);
      const { resumedFromSteps, model, steps } = await result;
      assert.equal(steps, 400);
      assert.equal(resumedFromSteps.length, 1);
      const undisturbed = await follow(jobOf('in-a-folder', 400), PROCESS).result;
      assert.equal(model.sha256, undisturbed.model.sha256);
      const training = openObjectStore(job.outputFolder);
      assert.deepEqual(await readFaults(training), [], 'a lost node is no fault of the training');
      assert.match((await training.get('trainer.log'))?.content.toString() ?? '', /steps on /);
      await cluster.startNode(host as SlurmNode);
    });
  });

  function jobOf(name: string, maxSteps: number): TrainingJob {
    return sftJob(folder, name, {
      ...{ epochs: 1_000_000, maxSteps, perDeviceBatchSize: 4, gradientAccumulationSteps: 1 },
      ...{ learningRate: 1e-3, warmupSteps: 0, maxLength: 32, precision: 'float32', saveSteps: 20 },
    });
  }
});

/** Follows a training; `reasons` are those of its waits in the queue. */
function follow(job: TrainingJob, given: object, signal?: AbortSignal) {
  const settings = launcherSchema.parse(given);
  const reasons: string[] = [];
  const result = followTraining({
    job,
    settings,
    launcher: launcherOf(settings),
    machine: {
      python,
      packageRoot,
      environment: { ...process.env, OMP_NUM_THREADS: '1', SELF_TAUGHT_EVALUATOR_CACHE: cacheFolder },
    },
    onProgress: ({ why }) => {
      if (why !== undefined) reasons.push(why);
    },
    onAbort: () => 'stop',
    ...(signal === undefined ? {} : { signal }),
  });
  return { result, reasons };
}

/** Waits until a start, other than the given one, has made so many steps; returns its lease. */
async function trainsWith(job: TrainingJob, steps: number, except?: string) {
  let done: number | undefined;
  for (;;) {
    const lease = await readJsonObject(openObjectStore(job.outputFolder), 'lease.json', leaseSchema);
    if (lease !== undefined && lease.token !== except) {
      done ??= except === undefined ? 0 : (await progressOf(job)).length;
      if ((await progressOf(job)).length >= done + steps) return lease;
    }
    await sleep(50);
  }
}

async function progressOf({ outputFolder }: TrainingJob) {
  const found = await openObjectStore(outputFolder).get('progress.jsonl');
  return allProgress(found?.content.toString() ?? '');
}
