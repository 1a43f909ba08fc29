import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { cp, mkdtemp, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { identifyProcess } from '../../../src/platform/process-identity.ts';
import type { TrainerMachine } from '../../../src/models/training/launchers/launcher.ts';
import {
  TrainingDetached,
  TrainingCrashed,
  TrainingFailedPermanently,
  TrainingStopped,
} from '../../../src/models/training/errors.ts';
import { processLauncher } from '../../../src/models/training/launchers/process.ts';
import { followTraining, type FollowOptions } from '../../../src/models/training/follow-training.ts';
import type { TrainingJob, TrainingLease, TrainingResult } from '../../../src/models/training/job.ts';
import { TrainingMonitor } from '../../../src/models/training/training-monitor.ts';
import { packageRoot } from '../../../src/platform/package-root.ts';
import { heldTraining, interruptedAfter } from '../../support/interrupted-training.ts';
import { openObjectStore } from '../../../src/store/drivers.ts';

const python = process.env['SELF_TAUGHT_EVALUATOR_PYTHON'] ?? 'python3';
// One thread: several processes with a thread for each core slow each other down many times over.
const machine = { python, packageRoot, environment: { ...process.env, OMP_NUM_THREADS: '1' } };
const settings = { kind: 'process' as const, command: ['{python}', '-m', 'trainer', '--job', '{job}'] };
const trainer = { launcher: processLauncher, settings, machine };

type SftJob = Extract<TrainingJob, { method: 'sft' }>;

const rowCount = 64;
/** Prompts are random numbers; the completion is always the same. */
const rows = Array.from({ length: rowCount }, (_, index) => {
  const digest = createHash('sha256').update(String(index)).digest();
  const numbers = [...digest.subarray(0, 6)].map((byte) => byte % 50).join(' ');
  return {
    id: `row-${index}`,
    prompt: [{ role: 'user', content: numbers }],
    completion: [{ role: 'assistant', content: 'A is better [[A]]' }],
  };
});

describe('followTraining', function () {
  this.timeout(600_000);
  let folder: string;
  let reference: TrainingResult;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'training-'));
    execFileSync(python, [join(import.meta.dirname, 'make_tiny_checkpoint.py'), join(folder, 'base')], {
      env: machine.environment,
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    await writeFile(join(folder, 'rows.jsonl'), asLines(rows));
    await writeFile(join(folder, 'rows-reversed.jsonl'), asLines(rows.toReversed()));
  });

  after(() => rm(folder, { recursive: true, force: true }));

  function jobIn(name: string, changes: Partial<SftJob> = {}): SftJob {
    return {
      schema: 1,
      method: 'sft',
      baseCheckpoint: join(folder, 'base'),
      data: join(folder, 'rows.jsonl'),
      outputFolder: join(folder, name),
      seed: 7,
      hyperparameters: {
        epochs: 30,
        maxSteps: null,
        perDeviceBatchSize: 8,
        gradientAccumulationSteps: 2,
        learningRate: 5e-3,
        lrScheduler: 'cosine',
        minLrRatio: 0.1,
        warmupSteps: 2,
        weightDecay: 0.1,
        adamBetas: [0.9, 0.95],
        maxGradNorm: 1,
        maxLength: 32,
        precision: 'float32',
        saveSteps: 10,
        saveTotalLimit: 2,
      },
      adapter: { kind: 'none' },
      threads: 1,
      trustRemoteCode: false,
      name,
      reportTo: ['tensorboard'],
      ...changes,
    };
  }

  function follow(job: TrainingJob, options: Partial<FollowOptions> = {}): Promise<TrainingResult> {
    return followTraining({ job, ...trainer, pollMilliseconds: 20, ...options });
  }

  it('lets a trainer outlive the follower that started it, and the next follower takes it over', async () => {
    const job = jobIn('reference');
    const shutDown = new AbortController();
    const held = heldTraining(60, join(folder, 'holds'));
    const first = follow(job, {
      settings: held.settings,
      signal: shutDown.signal,
      onAbort: () => 'detach',
      onProgress: ({ phase }) => phase === 'training' && shutDown.abort(),
    });
    await assert.rejects(first, TrainingDetached);

    const seen = new Set<number>();
    reference = await follow(job, {
      onProgress({ progress }) {
        if (progress === undefined) return;
        if (seen.size === 0) void held.release(job);
        seen.add(progress.step);
      },
    });

    assert.equal((await claims(job)).length, 1, 'one start');
    assert.equal(reference.steps, 120);
    assert.equal(reference.trainExamples, rowCount);
    assert.deepEqual(reference.resumedFromSteps, []);
    assert.ok(Math.min(...seen) < 60, 'progress was seen while it trained');
    for (const { name, sha256 } of reference.model.files) {
      assert.equal(stableHash(await readFile(join(job.outputFolder, 'model', name))), sha256, name);
    }
    assert.ok(reference.model.files.some(({ name }) => name === 'chat_template.jinja'));
    assert.ok(!existsSync(join(job.outputFolder, 'checkpoints')), 'optimizer state is gone');
    assert.ok(!existsSync(join(job.outputFolder, 'lease.json')));
  });

  it('computes the loss on the completion only: nobody could predict the random numbers of the prompts', async () => {
    const lines = (await readFile(join(folder, 'reference', 'progress.jsonl'), 'utf8')).trim().split('\n');
    const first = JSON.parse(lines[0] ?? '') as { loss: number };
    assert.ok(first.loss > 4, `an untrained model knows nothing: ${first.loss}`);
    // Learning 64 rows of random numbers by heart takes longer: with loss on the prompts as well it ends at 1.3.
    assert.ok(reference.finalLoss < 0.1, String(reference.finalLoss));
  });

  it('returns at once if there is a result, without a trainer', async () => {
    const noTrainer = { ...settings, command: ['no-such-program'] };
    assert.deepEqual(await follow(jobIn('reference'), { settings: noTrainer }), reference);
  });

  it('refuses the result of another job, naming what differs', async () => {
    await assert.rejects(follow(jobIn('reference', { seed: 8 })), (error) => {
      assert.ok(error instanceof TrainingFailedPermanently);
      assert.match(error.message, /another job: seed was 7, now 8 \(log: /);
      return true;
    });
  });

  it('resumes from the newest complete checkpoint after SIGKILL and ends with the same weights, whatever the order of the rows in the file', async () => {
    const job = jobIn('killed', { data: join(folder, 'rows-reversed.jsonl') });
    const checkpoints = join(job.outputFolder, 'checkpoints');
    const dying = follow(
      job,
      interruptedAfter(35, () => {
        void leaseOf(job).then(({ pid }) => process.kill(pid, 'SIGKILL'));
      }),
    );
    await assert.rejects(dying, (error) => {
      assert.ok(error instanceof TrainingCrashed);
      assert.equal(error.exitCode, 137);
      assert.match(error.message, /killed by SIGKILL \(log: .*trainer\.log\)$/);
      return true;
    });
    const whole = await wholeCheckpoints(checkpoints);
    const newest = Math.max(...whole);
    assert.ok(newest >= 30 && newest < 120, `whole: ${whole.join()}`);
    assert.ok(whole.length <= 2, 'older ones are removed');
    // A later save that was cut off before it was marked.
    await cp(join(checkpoints, `checkpoint-${newest}`), join(checkpoints, 'checkpoint-119'), {
      recursive: true,
    });
    await rm(join(checkpoints, 'checkpoint-119', 'complete.json'));

    const [one, two] = await Promise.all([follow(job), follow(job)]);

    assert.deepEqual(one, two);
    assert.equal((await claims(job)).length, 2, 'two followers at once start one trainer');
    assert.deepEqual(one.resumedFromSteps, [newest]);
    assert.equal(one.model.sha256, reference.model.sha256);
    assert.equal(one.meanLoss, reference.meanLoss);
    assert.equal(one.tokens, reference.tokens);
  });

  it('stops with a checkpoint when it is cancelled', async () => {
    const job = jobIn('cancelled', {
      hyperparameters: { ...jobIn('').hyperparameters, saveSteps: 1000 },
    });
    const cancel = new AbortController();
    const cancelled = follow(job, {
      ...interruptedAfter(5, () => cancel.abort('cancelled')),
      signal: cancel.signal,
      onAbort: (reason) => (reason === 'cancelled' ? 'stop' : 'detach'),
    });
    await assert.rejects(cancelled, TrainingStopped);
    assert.equal((await wholeCheckpoints(join(job.outputFolder, 'checkpoints'))).length, 1);
    assert.ok(!existsSync(join(job.outputFolder, 'result.json')));
  });

  it('fails for good on a bad row, naming its line', async () => {
    const data = join(folder, 'bad.jsonl');
    await writeFile(data, `${asLines(rows.slice(0, 2))}{"id": "x", "prompt": "no messages"}\n`);
    await assert.rejects(follow(jobIn('bad-row', { data })), (error) => {
      assert.ok(error instanceof TrainingFailedPermanently);
      assert.equal(error.exitCode, 65);
      assert.match(error.message, /bad\.jsonl, line 3: "prompt" is not a list of messages/);
      assert.match(error.lastLines.at(-1) ?? '', /^trainer: .*line 3/);
      return true;
    });
  });

  it('fails for good if every example is too long, because truncated examples would lose their verdicts', async () => {
    const hyperparameters = { ...jobIn('').hyperparameters, maxLength: 8 };
    await assert.rejects(follow(jobIn('too-long', { hyperparameters })), (error) => {
      assert.ok(error instanceof TrainingFailedPermanently);
      assert.equal(error.exitCode, 65);
      assert.match(error.message, /every row is longer than maxLength 8; the shortest has 13/);
      return true;
    });
  });

  it('fails for good on an invalid job or command, naming the field or the program', async () => {
    const hyperparameters = { ...jobIn('').hyperparameters, adamBetas: [0.9, 1] as [number, number] };
    await assert.rejects(
      follow(jobIn('bad-job', { hyperparameters })),
      (error) =>
        error instanceof TrainingFailedPermanently &&
        /hyperparameters\.adamBetas\.1: found 1, allowed: /.test(error.message),
    );
    await assert.rejects(
      follow(jobIn('bad-command'), { machine: { ...machine, python: '/no/such/python' } }),
      (error) => error instanceof TrainingFailedPermanently && /\/no\/such\/python/.test(error.message),
    );
  });

  it('does not take a process with a recycled id for the trainer', async () => {
    const job = jobIn('recycled');
    const self = await identifyProcess(process.pid);
    const lease = { ...self, token: 'a', renewedAt: new Date().toISOString() };
    await mkdir(job.outputFolder);
    await writeFile(join(job.outputFolder, 'lease.json'), JSON.stringify(lease));
    const watch = new TrainingMonitor(openObjectStore(job.outputFolder), processLauncher, 30);
    assert.equal((await watch.readTrainer()).kind, 'training');
    await writeFile(join(job.outputFolder, 'lease.json'), JSON.stringify({ ...lease, startTime: '1' }));
    assert.equal((await watch.readTrainer()).kind, 'idle');
  });

  it('treats a trainer on another machine as alive until its lease expires', async () => {
    const job = jobIn('remote');
    const lease = {
      host: 'another',
      bootId: 'b',
      pid: 1,
      startTime: '1',
      token: 'a',
      renewedAt: '2020-01-01T00:00:00Z',
    };
    await mkdir(job.outputFolder);
    await writeFile(join(job.outputFolder, 'lease.json'), JSON.stringify(lease));
    const watch = new TrainingMonitor(openObjectStore(job.outputFolder), processLauncher, 0.1);
    assert.equal((await watch.readTrainer()).kind, 'training');
    await new Promise((done) => setTimeout(done, 150));
    assert.equal((await watch.readTrainer()).kind, 'idle');
  });

  it('checks before a run whether a training could start', async () => {
    const check = (changes: Partial<TrainerMachine>, baseCheckpoint?: string) =>
      processLauncher.check({
        settings,
        machine: { ...machine, ...changes },
        baseCheckpoint,
        ...{ trustRemoteCode: false, reportTo: ['tensorboard'] },
      });
    const { device, problems } = await check({}, join(folder, 'base'));
    assert.deepEqual([typeof device, problems], ['string', []]);
    const [problem] = (await check({ python: '/no/such/python' })).problems;
    assert.match(
      problem ?? '',
      /\/no\/such\/python -m trainer --check in .* failed: spawn \/no\/such\/python ENOENT/,
    );
  });
});

function asLines(values: unknown[]): string {
  return values.map((value) => `${JSON.stringify(value)}\n`).join('');
}

async function leaseOf(job: TrainingJob): Promise<TrainingLease> {
  return JSON.parse(await readFile(join(job.outputFolder, 'lease.json'), 'utf8')) as TrainingLease;
}

async function claims(job: TrainingJob): Promise<string[]> {
  return (await readdir(join(job.outputFolder, 'starts'))).filter((name) => /^\d+\.json$/.test(name));
}

async function wholeCheckpoints(folder: string): Promise<number[]> {
  const names = await readdir(folder);
  return names
    .filter((name) => existsSync(join(folder, name, 'complete.json')))
    .map((name) => Number(name.replace('checkpoint-', '')));
}

function stableHash(content: Buffer): string {
  return createHash('sha256').update(content).digest('hex');
}
