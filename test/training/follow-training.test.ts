import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { cp, mkdtemp, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { identifyProcess } from '../../src/processes/identity.ts';
import { checkTrainer } from '../../src/training/check-trainer.ts';
import {
  TrainingDetached,
  TrainingDied,
  TrainingFailedPermanently,
  TrainingStopped,
} from '../../src/training/errors.ts';
import { followTraining, type FollowOptions } from '../../src/training/follow-training.ts';
import type { TrainingJob, TrainingLease, TrainingResult } from '../../src/training/job.ts';
import { TrainingWatch } from '../../src/training/training-watch.ts';

const packageRoot = resolve(import.meta.dirname, '../..');
const python = process.env['SELF_TAUGHT_EVALUATOR_PYTHON'] ?? 'python3';
const trainer = {
  command: ['{python}', '-m', 'trainer', '--job', '{job}'],
  python,
  packageRoot,
  // One thread: several processes with a thread for each core slow each other down many times over.
  environment: { ...process.env, OMP_NUM_THREADS: '1' },
};

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
  this.timeout(60_000);
  let folder: string;
  let reference: TrainingResult;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'training-'));
    execFileSync(python, [join(import.meta.dirname, 'make_tiny_checkpoint.py'), join(folder, 'base')], {
      env: trainer.environment,
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    await writeFile(join(folder, 'rows.jsonl'), asLines(rows));
    await writeFile(join(folder, 'rows-reversed.jsonl'), asLines(rows.toReversed()));
  });

  after(() => rm(folder, { recursive: true, force: true }));

  function jobIn(name: string, changes: Partial<TrainingJob> = {}): TrainingJob {
    return {
      schema: 1,
      method: 'sft',
      baseCheckpoint: join(folder, 'base'),
      data: join(folder, 'rows.jsonl'),
      outputFolder: join(folder, name),
      seed: 7,
      hyperparameters: {
        epochs: 30,
        maximumSteps: null,
        batchSize: 8,
        gradientAccumulation: 2,
        learningRate: 5e-3,
        schedule: 'cosine',
        finalLearningRateRatio: 0.1,
        warmupSteps: 2,
        weightDecay: 0.1,
        adamBetas: [0.9, 0.95],
        maximumGradientNorm: 1,
        maximumLength: 32,
        precision: 'float32',
        checkpointEverySteps: 10,
        keepCheckpoints: 2,
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
    return followTraining({ job, trainer, pollMilliseconds: 20, ...options });
  }

  it('trains, survives the follower that started it, and is taken up by the next one', async () => {
    const job = jobIn('reference');
    const shutDown = new AbortController();
    const first = follow(job, {
      signal: shutDown.signal,
      onAbort: () => 'detach',
      onProgress: ({ phase }) => phase === 'training' && shutDown.abort(),
    });
    await assert.rejects(first, TrainingDetached);

    const losses = new Map<number, number>();
    reference = await follow(job, {
      onProgress: ({ progress }) => progress && losses.set(progress.step, progress.loss),
    });

    assert.equal((await claims(job)).length, 1, 'one start');
    assert.equal(reference.steps, 120);
    assert.equal(reference.trainExamples, rowCount);
    assert.deepEqual(reference.resumedFromSteps, []);
    assert.ok(losses.size > 1, 'progress was seen while it trained');
    for (const { name, sha256 } of reference.model.files) {
      assert.equal(hashOf(await readFile(join(job.outputFolder, 'model', name))), sha256, name);
    }
    assert.ok(reference.model.files.some(({ name }) => name === 'chat_template.jinja'));
    assert.ok(!existsSync(join(job.outputFolder, 'checkpoints')), 'optimizer state is gone');
    assert.ok(!existsSync(join(job.outputFolder, 'lease.json')));
  });

  it('puts loss on the completion only: nobody could predict the random numbers of the prompts', async () => {
    const lines = (await readFile(join(folder, 'reference', 'progress.jsonl'), 'utf8')).trim().split('\n');
    const first = JSON.parse(lines[0] ?? '') as { loss: number };
    assert.ok(first.loss > 4, `an untrained model knows nothing: ${first.loss}`);
    // Learning 64 rows of random numbers by heart takes longer: with loss on the prompts as well it ends at 1.3.
    assert.ok(reference.finalLoss < 0.1, String(reference.finalLoss));
  });

  it('returns at once where the result is there, without a trainer', async () => {
    const noTrainer = { ...trainer, command: ['no-such-program'] };
    assert.deepEqual(await follow(jobIn('reference'), { trainer: noTrainer }), reference);
  });

  it('refuses the result of another job, naming what differs', async () => {
    await assert.rejects(follow(jobIn('reference', { seed: 8 })), (error) => {
      assert.ok(error instanceof TrainingFailedPermanently);
      assert.match(error.message, /another job: seed was 7, now 8 \(log: /);
      return true;
    });
  });

  it('goes on from the newest whole checkpoint after SIGKILL and ends with the same weights, whatever the order of the rows in the file', async () => {
    const job = jobIn('killed', { data: join(folder, 'rows-reversed.jsonl') });
    const checkpoints = join(job.outputFolder, 'checkpoints');
    let killed = false;
    const dying = follow(job, {
      onProgress: ({ progress }) => {
        if (killed || (progress?.step ?? 0) < 35) return;
        killed = true;
        void leaseOf(job).then(({ pid }) => process.kill(pid, 'SIGKILL'));
      },
    });
    await assert.rejects(dying, (error) => {
      assert.ok(error instanceof TrainingDied);
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
    await rm(join(checkpoints, 'checkpoint-119', 'whole.json'));

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
      hyperparameters: { ...jobIn('').hyperparameters, checkpointEverySteps: 1000 },
    });
    const cancel = new AbortController();
    const cancelled = follow(job, {
      signal: cancel.signal,
      onAbort: (reason) => (reason === 'cancelled' ? 'stop' : 'detach'),
      onProgress: ({ progress }) => (progress?.step ?? 0) >= 5 && cancel.abort('cancelled'),
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

  it('fails for good where every example is too long, rather than cut off the verdicts', async () => {
    const hyperparameters = { ...jobIn('').hyperparameters, maximumLength: 8 };
    await assert.rejects(follow(jobIn('too-long', { hyperparameters })), (error) => {
      assert.ok(error instanceof TrainingFailedPermanently);
      assert.equal(error.exitCode, 65);
      assert.match(error.message, /every row is longer than maximumLength 8; the shortest has 13/);
      return true;
    });
  });

  it('fails for good on a job or a command that can not work, naming field or program', async () => {
    const hyperparameters = { ...jobIn('').hyperparameters, adamBetas: [0.9, 1] as [number, number] };
    await assert.rejects(
      follow(jobIn('bad-job', { hyperparameters })),
      (error) =>
        error instanceof TrainingFailedPermanently && /hyperparameters\.adamBetas: found/.test(error.message),
    );
    await assert.rejects(
      follow(jobIn('bad-command'), { trainer: { ...trainer, python: '/no/such/python' } }),
      (error) => error instanceof TrainingFailedPermanently && /\/no\/such\/python/.test(error.message),
    );
  });

  it('does not take a process with a recycled id for the trainer', async () => {
    const job = jobIn('recycled');
    const self = await identifyProcess(process.pid);
    const lease = { ...self, token: 'a', renewedAt: new Date().toISOString() };
    await mkdir(job.outputFolder);
    await writeFile(join(job.outputFolder, 'lease.json'), JSON.stringify(lease));
    const watch = new TrainingWatch(job, 30);
    assert.equal((await watch.look()).kind, 'training');
    await writeFile(join(job.outputFolder, 'lease.json'), JSON.stringify({ ...lease, startTime: '1' }));
    assert.equal((await watch.look()).kind, 'idle');
  });

  it('takes a trainer on another machine for alive until its lease has run out', async () => {
    const job = jobIn('elsewhere');
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
    const watch = new TrainingWatch(job, 0.1);
    assert.equal((await watch.look()).kind, 'training');
    await new Promise((done) => setTimeout(done, 150));
    assert.equal((await watch.look()).kind, 'idle');
  });

  it('checks before a run whether a training could start', async () => {
    const check = { ...trainer, trustRemoteCode: false, reportTo: ['tensorboard' as const] };
    assert.notEqual(await checkTrainer({ ...check, baseCheckpoint: join(folder, 'base') }), '');
    await assert.rejects(
      checkTrainer({ ...check, python: '/no/such/python', baseCheckpoint: undefined }),
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
    .filter((name) => existsSync(join(folder, name, 'whole.json')))
    .map((name) => Number(name.replace('checkpoint-', '')));
}

function hashOf(content: Buffer): string {
  return createHash('sha256').update(content).digest('hex');
}
