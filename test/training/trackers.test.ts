import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { fineTuning, roundOf } from '../../src/config/fine-tuning.ts';
import { checkTrainer } from '../../src/training/check-trainer.ts';
import { TrainingDied } from '../../src/training/errors.ts';
import { followTraining, type FollowOptions } from '../../src/training/follow-training.ts';
import { allProgress, leaseSchema, type TrainingJob } from '../../src/training/job.ts';
import { trainerEnvironment } from '../../src/training/trainer-command.ts';
import { packageRoot } from '../workflows/cluster.ts';
import { curveIn } from './event-files.ts';

const python = process.env['SELF_TAUGHT_EVALUATOR_PYTHON'] ?? 'python3';
const trainer = {
  command: ['{python}', '-m', 'trainer', '--job', '{job}'],
  python,
  packageRoot,
  environment: { ...process.env, OMP_NUM_THREADS: '1' },
};

describe('the trackers of a training', function () {
  this.timeout(120_000);
  let folder: string;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'trackers-'));
    await promisify(execFile)(python, [
      join(import.meta.dirname, 'make_tiny_checkpoint.py'),
      join(folder, 'base'),
    ]);
    const rows = Array.from({ length: 32 }, (_, index) => ({
      id: `row-${index}`,
      prompt: [{ role: 'user', content: `${index % 50} ${(7 * index) % 50}` }],
      completion: [{ role: 'assistant', content: 'A is better [[A]]' }],
    }));
    await writeFile(join(folder, 'sft.jsonl'), rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
  });
  after(() => rm(folder, { recursive: true, force: true }));

  function jobIn(name: string, reportTo: TrainingJob['reportTo']): TrainingJob {
    const hyperparameters = {
      ...{ epochs: 5, batchSize: 4, gradientAccumulation: 1, learningRate: 1e-3, warmupSteps: 0 },
      ...{ maximumLength: 32, precision: 'float32', checkpointEverySteps: 10 },
    };
    const round = roundOf(fineTuning.parse({ rounds: [{ method: 'sft', hyperparameters }] }), 1);
    return {
      schema: 1,
      method: 'sft',
      baseCheckpoint: join(folder, 'base'),
      data: join(folder, 'sft.jsonl'),
      outputFolder: join(folder, name),
      seed: 7,
      hyperparameters: round.hyperparameters,
      adapter: { kind: 'none' },
      threads: 1,
      trustRemoteCode: false,
      name: `${name}/iteration-1`,
      reportTo,
    };
  }

  const follow = (job: TrainingJob, options: Partial<FollowOptions> = {}) =>
    followTraining({ job, trainer, pollMilliseconds: 20, ...options });

  it('have every step of a training that was killed and went on, once, and change nothing of its weights', async () => {
    const untracked = jobIn('untracked', []);
    const tracked = jobIn('tracked', ['tensorboard']);
    let killed = false;
    const dying = follow(tracked, {
      onProgress: ({ progress }) => {
        if (killed || (progress?.step ?? 0) < 12) return;
        killed = true;
        void readFile(join(tracked.outputFolder, 'lease.json'), 'utf8').then((text) =>
          process.kill(leaseSchema.parse(JSON.parse(text)).pid, 'SIGKILL'),
        );
      },
    });
    const [reference] = await Promise.all([follow(untracked), assert.rejects(dying, TrainingDied)]);
    const resumed = await follow(tracked);
    assert.equal(resumed.resumedFromSteps.length, 1);
    assert.equal(resumed.model.sha256, reference.model.sha256);

    const log = join(tracked.outputFolder, 'tensorboard');
    assert.equal((await readdir(log)).length, 2, 'a file for each start, in one folder');
    const losses = await curveIn(log, 'train/loss');
    assert.deepEqual(
      [...losses.keys()],
      Array.from({ length: 40 }, (_, index) => index + 1),
    );
    const progress = allProgress(await readFile(join(tracked.outputFolder, 'progress.jsonl'), 'utf8'));
    for (const { step, loss } of progress)
      assert(Math.abs((losses.get(step) ?? NaN) - loss) < 1e-6, `step ${step}`);
    assert.deepEqual([...(await curveIn(log, 'train/learning_rate')).keys()].at(-1), 40);
    assert(!(await readdir(untracked.outputFolder)).includes('tensorboard'));
  });

  it('may fail without the training', async () => {
    const job = jobIn('no-room', ['tensorboard']);
    await mkdir(job.outputFolder);
    await writeFile(join(job.outputFolder, 'tensorboard'), 'a file where its folder should be');
    const { steps } = await follow(job);
    assert.equal(steps, 40);
    const log = await readFile(join(job.outputFolder, 'trainer.log'), 'utf8');
    assert.match(log, /tensorboard is left out from here: NotADirectoryError/);
  });

  it('that are not installed are a problem before the run, with the command that installs them', async () => {
    const check = { ...trainer, trustRemoteCode: false, baseCheckpoint: undefined };
    await assert.rejects(
      checkTrainer({ ...check, reportTo: ['tensorboard', 'wandb', 'mlflow'] }),
      (error: Error) => {
        const install = (name: string) =>
          `fineTuning.reportTo: ${name} needs the package ${name}, which is not installed: pip --python ${python} install ${name}`;
        assert.equal(error.message, `${install('wandb')}; ${install('mlflow')}`);
        return true;
      },
    );
  });

  it('get their keys from the environment of the worker, and no other keys', () => {
    const environment = {
      WANDB_API_KEY: 'a',
      MLFLOW_TRACKING_URI: 'b',
      OPENAI_API_KEY: 'c',
      TEMPORAL_API_KEY: 'd',
    };
    const passed = trainerEnvironment({ ...trainer, environment });
    assert.deepEqual(Object.keys(passed).sort(), ['MLFLOW_TRACKING_URI', 'PYTHONPATH', 'WANDB_API_KEY']);
  });
});
