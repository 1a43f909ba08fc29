import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { followTraining } from '../../../src/models/training/follow-training.ts';
import {
  allProgress,
  leaseSchema,
  resultSchema,
  type TrainingJob,
  type TrainingLease,
} from '../../../src/models/training/job.ts';
import { processLauncher } from '../../../src/models/training/launchers/process.ts';
import { readFaults } from '../../../src/models/training/trainer-faults.ts';
import { newestStart } from '../../../src/models/training/trainer-starts.ts';
import { noteTraining, watchTrainings } from '../../../src/models/training/watched-trainings.ts';
import { openStore } from '../../../src/store/artifact-store.ts';
import { packageRoot } from '../../../src/platform/package-root.ts';
import { startMachine, whyNoMachines, type Machine } from '../../support/machines.ts';
import { sftJob } from '../../support/sft-job.ts';
import { openObjectStore } from '../../../src/store/drivers.ts';

const python = process.env['SELF_TAUGHT_EVALUATOR_PYTHON'] ?? 'python3';
const environment = { ...process.env, OMP_NUM_THREADS: '1' };
const STEPS = 400;
/** The time for which a lease is valid, and at most so much more until the next trainer begins. */
const LEASE_SECONDS = 30;
const MARGIN_SECONDS = 5;

/** Machines of their own host names and processes, on one file system. */
describe('a training and several machines', function () {
  this.timeout(1_800_000);
  let folder: string;
  const machines: Machine[] = [];

  before(async function () {
    const reason = whyNoMachines();
    if (reason !== undefined) {
      console.log(`      skipped: ${reason}`);
      return this.skip();
    }
    folder = await mkdtemp(join(tmpdir(), 'machines-'));
    execFileSync(python, [join(import.meta.dirname, 'make_tiny_checkpoint.py'), join(folder, 'base')], {
      env: environment,
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    const rows = Array.from({ length: 32 }, (_, index) => ({
      id: `row-${index}`,
      prompt: [{ role: 'user', content: `${index % 50} ${(7 * index) % 50}` }],
      completion: [{ role: 'assistant', content: 'A is better [[A]]' }],
    }));
    await writeFile(join(folder, 'sft.jsonl'), rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
  });
  after(async () => {
    await Promise.all(machines.map((machine) => machine.kill()));
    if (folder !== undefined) await rm(folder, { recursive: true });
  });

  async function jobIn(name: string, maxSteps = STEPS): Promise<TrainingJob> {
    const hyperparameters = {
      ...{ epochs: 1_000_000, maxSteps, perDeviceBatchSize: 4, gradientAccumulationSteps: 1 },
      ...{ learningRate: 1e-3, warmupSteps: 0, maxLength: 32, precision: 'float32', saveSteps: 20 },
    };
    const job = sftJob(folder, name, hyperparameters);
    await writeFile(join(folder, `${name}.json`), JSON.stringify(job));
    return job;
  }

  async function machineNamed(name: string): Promise<Machine> {
    const machine = await startMachine(name);
    machines.push(machine);
    return machine;
  }

  /**
   * Follows, or stops, a training on a machine; returns what the follower has printed when it has ended.
   * @param holdStep the step after which a trainer that it starts is held
   * @param printed gets the same meanwhile
   */
  async function on(
    machine: Machine,
    { name }: TrainingJob,
    { mode = [], holdStep, printed = [] }: { mode?: string[]; holdStep?: number; printed?: string[] } = {},
  ): Promise<string[]> {
    const script = join(import.meta.dirname, 'follow-job.ts');
    const { child } = machine.spawn([process.execPath, script, join(folder, `${name}.json`), ...mode], {
      cwd: packageRoot,
      env: { ...environment, ...(holdStep === undefined ? {} : { HOLD_STEP: String(holdStep) }) },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    for await (const text of child.stdout!) printed.push(...String(text).trim().split('\n'));
    return printed;
  }

  const steps = async ({ outputFolder }: TrainingJob) =>
    allProgress(await readFile(join(outputFolder, 'progress.jsonl'), 'utf8').catch(() => ''));

  /** Waits until so many starts of the training have been held; returns the lease of the last one. */
  async function held(job: TrainingJob, starts: number): Promise<TrainingLease> {
    const holds = () => readFile(join(job.outputFolder, 'holds'), 'utf8').catch(() => '');
    while ((await holds()).split('\n').length <= starts) await sleep(50);
    return (await leaseOf(job))!;
  }

  const release = ({ outputFolder }: TrainingJob) => writeFile(join(outputFolder, 'released'), '');

  it('goes on elsewhere, three times over, when the machine that trains is lost, and ends with the same weights', async () => {
    const [reference, job] = [await jobIn('reference'), await jobIn('lost')];
    const first = await machineNamed('first');
    void on(first, job, { holdStep: 31 });
    const lease = await held(job, 1);
    assert.equal(lease.host, 'first');
    await first.kill();

    // On the next machine no follower lives long enough to see the lease expire alone.
    const second = await machineNamed('second');
    const attemptsBegan = performance.now();
    let attempts = 0;
    while ((await leaseOf(job))?.token === lease.token) {
      const printed = await on(second, job, { mode: ['5'], holdStep: 61 });
      assert(
        printed.every((line) => /^(training|starting|TrainingDetached.*)$/.test(line)),
        printed.join(),
      );
      attempts += 1;
    }
    const observed = (performance.now() - attemptsBegan) / 1000;
    assert(observed > LEASE_SECONDS - MARGIN_SECONDS, `not before its lease has expired: ${observed}`);
    // An attempt hands on what it has observed but its last second, and on a busy machine those in which it starts.
    assert(attempts <= 30, String(attempts));
    assert.equal((await claims(job)).length, 2);

    // The third has a follower before the second is lost.
    const third = await machineNamed('pod');
    const following = on(third, job, { holdStep: 91 });
    const secondLease = await held(job, 2);
    assert.equal(secondLease.host, 'second');
    await second.kill();
    const began = performance.now();
    const thirdLease = await held(job, 3);
    const { mtimeMs: claimedAt } = await stat(join(job.outputFolder, 'starts', (await claims(job)).at(-1)!));
    const seconds = (claimedAt - (performance.timeOrigin + began)) / 1000;
    assert(seconds > LEASE_SECONDS - MARGIN_SECONDS, `not before its lease has expired: ${seconds}`);
    assert(seconds < 2 * LEASE_SECONDS, `it has not begun to wait anew: ${seconds}`);
    assert.equal(thirdLease.host, 'pod');
    await third.kill();
    await following;

    // The fourth has the host name of the third, as a pod that is started again.
    const fourth = await machineNamed('pod');
    const ending = on(fourth, job, { holdStep: 121 });
    const fourthLease = await held(job, 4);
    assert.notEqual(fourthLease.pidNamespace, thirdLease.pidNamespace);
    await release(job);
    const printed = await ending;
    assert.match(printed.at(-1) ?? '', /^done, resumed from \d+,\d+,\d+$/);

    assert.equal((await claims(job)).length, 4);
    assert.deepEqual(
      await readFaults(openObjectStore(job.outputFolder)),
      [],
      'a lost machine is no fault of the training',
    );
    const undisturbed = await followTraining({
      job: reference,
      launcher: processLauncher,
      settings: { kind: 'process', command: ['{python}', '-m', 'trainer', '--job', '{job}'] },
      machine: { python, packageRoot, environment },
    });
    const resumed = resultSchema.parse(
      JSON.parse(await readFile(join(job.outputFolder, 'result.json'), 'utf8')),
    );
    assert.equal(resumed.model.sha256, undisturbed.model.sha256);
    assert.equal(resumed.steps, STEPS);
  });

  it('goes on at once elsewhere if other machines have observed its trainer since the machine was lost', async () => {
    const job = await jobIn('observed');
    const { objects } = openStore(folder);
    const machine = await machineNamed('observed');
    void on(machine, job, { holdStep: 31 });
    await held(job, 1);
    await noteTraining(objects, 'observed', 'observed');
    await machine.kill();

    // Nobody follows the training meanwhile.
    const stopping = new AbortController();
    const problems: string[] = [];
    const watching = watchTrainings(objects, (message) => void problems.push(message), stopping.signal);
    await sleep(1000 * LEASE_SECONDS);
    assert.equal((await claims(job)).length, 1, 'it only observes');
    stopping.abort();
    await watching;
    assert.deepEqual(problems, []);

    const began = performance.now();
    const ending = on(await machineNamed('next'), job, { holdStep: 61 });
    await held(job, 2);
    const { mtimeMs: claimedAt } = await stat(join(job.outputFolder, 'starts', (await claims(job)).at(-1)!));
    const seconds = (claimedAt - (performance.timeOrigin + began)) / 1000;
    assert(seconds < LEASE_SECONDS - MARGIN_SECONDS, `it has not waited for the lease again: ${seconds}`);
    await release(job);
    assert.match((await ending).at(-1) ?? '', /^done, resumed from \d+$/);
  });

  it('stops with a checkpoint of its last step when it is asked from another machine', async () => {
    const job = await jobIn('stopped', 1_000_000);
    const following = on(await machineNamed('trains'), job);
    while ((await steps(job)).length < 30) await sleep(50);
    const lease = (await leaseOf(job))!;
    assert.deepEqual(await on(await machineNamed('stops'), job, { mode: ['stop'] }), ['stopped']);
    const { exit } = (await newestStart(openObjectStore(job.outputFolder)))!;
    assert.equal(exit?.exitCode, 75);
    const last = (await steps(job)).at(-1)!.step;
    assert(existsSync(join(job.outputFolder, 'checkpoints', `checkpoint-${last}`, 'complete.json')));
    assert.match(await readFile(join(job.outputFolder, 'trainer.log'), 'utf8'), /stop requested: a test/);
    assert.match((await following).at(-1) ?? '', /^TrainingStopped/);
    assert.equal(lease.host, 'trains');
  });

  it('is followed by a container of the same host name, which does not take its trainer for dead', async () => {
    const job = await jobIn('containers');
    const first = on(await machineNamed('container'), job, { holdStep: 31 });
    const lease = await held(job, 1);
    const seen: [string[], string[]] = [[], []];
    const [second, third] = [
      on(await machineNamed('container'), job, { printed: seen[0] }),
      on(await machineNamed('container'), job, { printed: seen[1] }),
    ];
    while (!seen.every((printed) => printed.includes('training'))) await sleep(50);
    await release(job);
    for (const printed of await Promise.all([first, second, third]))
      assert.equal(printed.at(-1), 'done, resumed from');
    assert.equal((await claims(job)).length, 1, 'there was one start');
    assert.equal(lease.host, 'container');
  });
});

async function leaseOf({ outputFolder }: TrainingJob): Promise<TrainingLease | undefined> {
  const text = await readFile(join(outputFolder, 'lease.json'), 'utf8').catch(() => undefined);
  return text === undefined ? undefined : leaseSchema.parse(JSON.parse(text));
}

async function claims({ outputFolder }: TrainingJob): Promise<string[]> {
  const names = await readdir(join(outputFolder, 'starts'));
  return names.filter((name) => /^\d+\.json$/.test(name)).sort();
}
