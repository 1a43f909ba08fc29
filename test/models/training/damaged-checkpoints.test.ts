import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { cp, mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { packageRoot } from '../../../src/platform/package-root.ts';
import { readDamagedCheckpoints } from '../../../src/models/training/damaged-checkpoints.ts';
import { followTraining, type FollowOptions } from '../../../src/models/training/follow-training.ts';
import type { TrainingJob, TrainingResult } from '../../../src/models/training/job.ts';
import { flipByte } from '../../support/flip-byte.ts';
import { processLauncher } from '../../../src/models/training/launchers/process.ts';
import { interruptedAfter } from '../../support/interrupted-training.ts';
import { sftJob } from '../../support/sft-job.ts';
import { openObjectStore } from '../../../src/store/drivers.ts';

const python = process.env['SELF_TAUGHT_EVALUATOR_PYTHON'] ?? 'python3';
const environment = { ...process.env, OMP_NUM_THREADS: '1' };

describe('a training with a damaged checkpoint', function () {
  this.timeout(600_000);
  let folder: string;
  let whole: TrainingResult;
  let stopped: string;
  /** The newest checkpoint, and the one before. */
  let newest: string;
  let earlier: string;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'damage-'));
    execFileSync(python, [join(import.meta.dirname, 'make_tiny_checkpoint.py'), join(folder, 'base')], {
      env: environment,
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    const rows = Array.from({ length: 32 }, (_, index) => ({
      id: `row-${index}`,
      prompt: [{ role: 'user', content: `${index} ${7 * (index % 7)}` }],
      completion: [{ role: 'assistant', content: 'A is better [[A]]' }],
    }));
    await writeFile(join(folder, 'sft.jsonl'), rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
    whole = await follow(jobIn('whole'));
    const job = jobIn('stopped');
    const training = follow(
      job,
      // By the signal, because a request in the folder is read only every two seconds.
      interruptedAfter(15, () => {
        const lease = JSON.parse(readFileSync(join(job.outputFolder, 'lease.json'), 'utf8')) as {
          pid: number;
        };
        process.kill(lease.pid, 'SIGTERM');
      }),
    );
    await assert.rejects(training, { name: 'TrainingStopped' });
    stopped = job.outputFolder;
    const names = await readdir(join(stopped, 'checkpoints'));
    [newest = '', earlier = ''] = names.sort((a, b) => stepOf(b) - stepOf(a));
    assert.equal(names.length, 2);
  });
  after(() => rm(folder, { recursive: true, force: true }));

  const stepOf = (name: string) => Number(name.split('-')[1]);

  function jobIn(name: string): TrainingJob {
    const hyperparameters = {
      ...{ epochs: 5, perDeviceBatchSize: 4, gradientAccumulationSteps: 1, learningRate: 1e-3 },
      ...{ warmupSteps: 0, maxLength: 32, precision: 'float32', saveSteps: 10 },
    };
    return sftJob(folder, name, hyperparameters);
  }

  const follow = (
    job: TrainingJob,
    options: Partial<FollowOptions> = {},
    program: readonly string[] = ['{python}'],
  ) =>
    followTraining({
      job,
      launcher: processLauncher,
      settings: { kind: 'process', command: [...program, '-m', 'trainer', '--job', '{job}'] },
      machine: { python, packageRoot, environment },
      pollMilliseconds: 20,
      ...options,
    });

  /** Continues a copy of the stopped training after some damage. */
  async function continueAfter(
    name: string,
    damage: (checkpoints: string) => Promise<unknown>,
    program?: readonly string[],
  ) {
    const job = jobIn(name);
    await cp(stopped, job.outputFolder, { recursive: true });
    await damage(join(job.outputFolder, 'checkpoints'));
    const result = await follow(job, {}, program);
    const log = await readFile(join(job.outputFolder, 'trainer.log'), 'utf8');
    return { result, log, damaged: await readDamagedCheckpoints(openObjectStore(job.outputFolder)) };
  }

  const damages: Readonly<Record<string, [RegExp, (checkpoint: string) => Promise<unknown>]>> = {
    'one other byte in the weights': [
      /model\.safetensors has another content than when it was saved/,
      (checkpoint) => flipByte(join(checkpoint, 'model.safetensors')),
    ],
    'a truncated optimizer': [
      /optimizer\.pt has 1000 bytes instead of \d+/,
      (checkpoint) => truncate(join(checkpoint, 'optimizer.pt'), 1000),
    ],
    'no state of the random numbers': [
      /rng_state\.pth has no bytes instead of \d+/,
      (checkpoint) => rm(join(checkpoint, 'rng_state.pth')),
    ],
  };
  for (const [what, [reason, damage]] of Object.entries(damages))
    it(`continues from the one before if it has ${what}, to the same weights, and says so`, async () => {
      const name = what.replaceAll(' ', '-');
      const { result, log, damaged } = await continueAfter(name, (folder) => damage(join(folder, newest)));
      assert.deepEqual(result.resumedFromSteps, [stepOf(earlier)]);
      assert.equal(result.model.sha256, whole.model.sha256);
      assert.match(log, new RegExp(`warning: \\S*/${newest} is damaged`));
      assert.match(log, reason);
      assert.deepEqual(
        damaged.map(({ checkpoint }) => checkpoint),
        [newest],
      );
      assert.match(damaged[0]?.reason ?? '', reason);
    });

  it('begins again if no checkpoint is intact', async () => {
    const { result, damaged } = await continueAfter('none-intact', async (folder) => {
      for (const name of [newest, earlier]) await flipByte(join(folder, name, 'optimizer.pt'));
    });
    assert.deepEqual(result.resumedFromSteps, []);
    assert.equal(result.model.sha256, whole.model.sha256);
    assert.deepEqual(
      damaged.map(({ checkpoint }) => checkpoint),
      [newest, earlier],
    );
  });

  it('continues from the one before with several ranks, all from the same one', async () => {
    const name = 'two-ranks';
    const { result, damaged } = await continueAfter(
      name,
      (folder) => flipByte(join(folder, newest, 'optimizer.pt')),
      ['{python}', '-m', 'torch.distributed.run', '--standalone', '--nproc-per-node', '2'],
    );
    assert.deepEqual(result.resumedFromSteps, [stepOf(earlier)]);
    assert.deepEqual(
      damaged.map(({ checkpoint }) => checkpoint),
      [newest],
    );
  });

  it('does not count a checkpoint whose marker is empty or truncated', async () => {
    const { result, damaged } = await continueAfter('no-marker', (folder) =>
      writeFile(join(folder, newest, 'complete.json'), '{"step": 1'),
    );
    assert.deepEqual(result.resumedFromSteps, [stepOf(earlier)]);
    assert.equal(result.model.sha256, whole.model.sha256);
    assert.deepEqual(damaged, []);
  });
});
