import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { checkTrainer } from '../../../src/models/training/launchers/check-trainer.ts';
import { TrainingCrashed } from '../../../src/models/training/errors.ts';
import { processLauncher } from '../../../src/models/training/launchers/process.ts';
import { followTraining, type FollowOptions } from '../../../src/models/training/follow-training.ts';
import { allProgress, leaseSchema, type TrainingJob } from '../../../src/models/training/job.ts';
import { packageRoot } from '../../../src/platform/package-root.ts';
import { readScalarCurve } from './tensorboard-events.ts';
import { interruptedAfter } from '../../support/interrupted-training.ts';
import { sftJob } from '../../support/sft-job.ts';

const python = process.env['SELF_TAUGHT_EVALUATOR_PYTHON'] ?? 'python3';
const machine = { python, packageRoot, environment: { ...process.env, OMP_NUM_THREADS: '1' } };
const settings = { kind: 'process' as const, command: ['{python}', '-m', 'trainer', '--job', '{job}'] };
const trainer = { launcher: processLauncher, settings, machine };

describe('the trackers of a training', function () {
  this.timeout(600_000);
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
      ...{
        epochs: 5,
        perDeviceBatchSize: 4,
        gradientAccumulationSteps: 1,
        learningRate: 1e-3,
        warmupSteps: 0,
      },
      ...{ maxLength: 32, precision: 'float32', saveSteps: 10 },
    };
    return sftJob(folder, name, hyperparameters, { name: `${name}/iteration-1`, reportTo });
  }

  const follow = (job: TrainingJob, options: Partial<FollowOptions> = {}) =>
    followTraining({ job, ...trainer, pollMilliseconds: 20, ...options });

  it('get every step of a training that was killed and resumed exactly once, and do not change its weights', async () => {
    const untracked = jobIn('untracked', []);
    const tracked = jobIn('tracked', ['tensorboard']);
    const dying = follow(
      tracked,
      interruptedAfter(12, () => {
        void readFile(join(tracked.outputFolder, 'lease.json'), 'utf8').then((text) =>
          process.kill(leaseSchema.parse(JSON.parse(text)).pid, 'SIGKILL'),
        );
      }),
    );
    const [reference] = await Promise.all([follow(untracked), assert.rejects(dying, TrainingCrashed)]);
    const resumed = await follow(tracked);
    assert.equal(resumed.resumedFromSteps.length, 1);
    assert.equal(resumed.model.sha256, reference.model.sha256);

    const log = join(tracked.outputFolder, 'tensorboard');
    assert.equal((await readdir(log)).length, 2, 'a file for each start, in one folder');
    const losses = await readScalarCurve(log, 'train/loss');
    assert.deepEqual(
      [...losses.keys()],
      Array.from({ length: 40 }, (_, index) => index + 1),
    );
    const progress = allProgress(await readFile(join(tracked.outputFolder, 'progress.jsonl'), 'utf8'));
    for (const { step, loss } of progress)
      assert(Math.abs((losses.get(step) ?? NaN) - loss) < 1e-6, `step ${step}`);
    assert.deepEqual([...(await readScalarCurve(log, 'train/learning_rate')).keys()].at(-1), 40);
    assert(!(await readdir(untracked.outputFolder)).includes('tensorboard'));
  });

  it('may fail without failing the training', async () => {
    const job = jobIn('no-room', ['tensorboard']);
    await mkdir(job.outputFolder);
    await writeFile(join(job.outputFolder, 'tensorboard'), 'a file where its folder should be');
    const { steps } = await follow(job);
    assert.equal(steps, 40);
    const log = await readFile(join(job.outputFolder, 'trainer.log'), 'utf8');
    assert.match(log, /tensorboard is switched off: NotADirectoryError/);
  });

  it('are reported as a problem before the run if they are not installed, with the command that installs them', async () => {
    const { problems } = await checkTrainer(machine, {
      ...{ baseCheckpoint: undefined, trustRemoteCode: false },
      reportTo: ['tensorboard', 'wandb', 'mlflow'],
    });
    const install = (name: string) =>
      `fineTuning.reportTo: ${name} needs the package ${name}, which is not installed: pip --python ${python} install ${name}`;
    assert.deepEqual(problems, [install('wandb'), install('mlflow')]);
  });
});
