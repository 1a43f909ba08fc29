/** A training on a disk that is really full: a small file system is mounted in namespaces of its own, if the system allows it. */
import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { sftJob } from '../../support/sft-job.ts';
import type { FullDiskTrial } from './try-full-disk.ts';

const python = process.env['SELF_TAUGHT_EVALUATOR_PYTHON'] ?? 'python3';
const environment = { ...process.env, OMP_NUM_THREADS: '1' };

describe('a training whose disk is full', function () {
  this.timeout(600_000);
  let folder: string;
  let trial: FullDiskTrial;

  before(async function () {
    const problem = mountProblem();
    if (problem !== undefined) {
      console.warn(`      skipped: no file system can be mounted here (${problem})`);
      this.skip();
    }
    folder = await mkdtemp(join(tmpdir(), 'full-'));
    execFileSync(python, [join(import.meta.dirname, 'make_tiny_checkpoint.py'), join(folder, 'base')], {
      env: environment,
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    const rows = Array.from({ length: 32 }, (_, index) => ({
      id: `row-${index}`,
      prompt: [{ role: 'user', content: `${index}` }],
      completion: [{ role: 'assistant', content: 'A is better [[A]]' }],
    }));
    await writeFile(join(folder, 'sft.jsonl'), rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
    const hyperparameters = {
      ...{ epochs: 2, perDeviceBatchSize: 4, gradientAccumulationSteps: 1, learningRate: 1e-3 },
      ...{ warmupSteps: 0, maxLength: 32, precision: 'float32', saveSteps: 8 },
    };
    const disk = join(folder, 'disk');
    await mkdir(disk);
    const job = sftJob(folder, 'full', hyperparameters, { outputFolder: join(disk, 'training') });
    const program = [
      process.execPath,
      join(import.meta.dirname, 'try-full-disk.ts'),
      disk,
      JSON.stringify(job),
    ];
    const mount = 'mount -t tmpfs -o size=16m tmpfs "$2" && exec "$0" "$@"';
    const { stdout } = await promisify(execFile)('unshare', ['-rm', 'sh', '-c', mount, ...program], {
      env: environment,
    });
    trial = JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as FullDiskTrial;
  });
  after(async () => {
    if (folder !== undefined) await rm(folder, { recursive: true, force: true });
  });

  it('says so with the path if there is no room for a checkpoint', () => {
    assert.match(
      trial.withoutRoomForCheckpoint,
      /^TrainingCrashed: .*\/disk\/training\/\S+: the disk is full, or the quota used up\. Make room; the training continues/,
    );
  });

  it('says so with the path if there is no room even for a report of it', () => {
    assert.match(trial.withoutAnyRoom[0] ?? '', /\/disk\/training.*the disk is full/);
    for (const message of trial.withoutAnyRoom.slice(1))
      assert.match(
        message,
        /^StorageUnavailable: .*\/disk\/training.* can't be written: the disk is full\. Free some space/,
      );
  });

  it('is tried again as often as needed, and ends once there is room', () => {
    assert.equal(trial.withoutAnyRoom.length, 5);
    assert.equal(trial.faults, 0);
    assert.equal(trial.steps, 16);
  });
});

/** Why nothing can be mounted here; undefined if it can. */
function mountProblem(): string | undefined {
  if (process.platform !== 'linux') return `${process.platform} has no unshare`;
  try {
    execFileSync('unshare', ['-rm', 'mount', '-t', 'tmpfs', 'tmpfs', tmpdir()], { stdio: 'pipe' });
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message.split('\n').join(' ') : String(error);
  }
}
