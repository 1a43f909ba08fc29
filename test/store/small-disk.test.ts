/**
 * A disk that is really full, and one that really is read-only: a program of its own in namespaces of its own, where it may mount
 * a small file system. Where the system doesn't allow that, the tests are skipped and say so.
 */
import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { writeFileAtomically } from '../../src/platform/atomic-write.ts';
import type { DiskTrial } from './try-small-disk.ts';

describe('a disk that can not be written to', function () {
  this.timeout(180_000);
  let folder: string;
  let trial: DiskTrial;

  before(async function () {
    const problem = namespaceProblem();
    if (problem !== undefined) {
      console.warn(`      skipped: no file system can be mounted here (${problem})`);
      this.skip();
    }
    folder = await mkdtemp(join(tmpdir(), 'disk-'));
    const program = [process.execPath, join(import.meta.dirname, 'try-small-disk.ts'), folder];
    const mount = `mount -t tmpfs -o size=1m tmpfs "$2" && exec "$0" "$@"`;
    const { stdout } = await promisify(execFile)('unshare', ['-rm', 'sh', '-c', mount, ...program]);
    trial = JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as DiskTrial;
  });

  after(async () => {
    if (folder !== undefined) await rm(folder, { recursive: true, force: true });
  });

  it('ends the attempt with the path and what to do, and Temporal tries again', () => {
    assert.equal(trial.full.name, 'StorageUnavailable');
    assert.match(
      trial.full.message,
      /disk-\w+\/.* can't be written: the disk is full\. Free some space.*\(ENOSPC\)/,
    );
  });

  it('is named with the path whatever is written: a report, a server entry, a lock, rows, the trial of a store', () => {
    const refusals = Object.entries(trial.fullForOthers);
    assert.equal(refusals.length, 5);
    for (const [what, { name, message }] of refusals) {
      assert.equal(name, 'StorageUnavailable', `${what}: ${message}`);
      assert.match(message, /^\S*disk-\w+\/\S+ can't be written: the disk is full\. Free some space/, what);
    }
  });

  it('loses no answer that is on it, and goes on from there once there is room', () => {
    assert(trial.keptWhenFull > 0);
    assert.equal(trial.records, trial.units);
    assert.equal(trial.askedAfterwards, trial.units - trial.keptWhenFull);
  });

  it('leaves nothing torn behind, neither draft nor half an artifact', () => {
    assert.deepEqual(trial.torn, []);
    assert.equal(trial.publishedTwice, true);
  });

  it('that is read-only keeps a worker from starting, with one sentence', () => {
    assert.equal(trial.worker.exitCode, 1);
    assert.match(
      trial.worker.output,
      /^The store \S+\/read-only can't be used: \S+ can't be written: the file system is read-only\. Mount it as writable \(EROFS\)\.\n$/,
    );
  });

  it('that is read-only says so, for an artifact, a claim and a small file alike', () => {
    const [trialOfStore] = trial.readOnly.slice(3);
    assert.equal(trialOfStore?.name, 'StoreUnusable');
    assert.match(
      trialOfStore?.message ?? '',
      /^The store \S*read-only can't be used: \S+ can't be written: .*read-only\. Mount it/,
    );
    assert.equal(trial.readOnly.length, 4);
    for (const { name, message } of trial.readOnly.slice(0, 3)) {
      assert.equal(name, 'StorageUnavailable');
      assert.match(message, /read-only.* can't be written: the file system is read-only\. Mount it/);
    }
  });
});

describe('a folder that can not be', () => {
  it('is named with the reason: a file is in its way', async () => {
    const parent = await mkdtemp(join(tmpdir(), 'disk-'));
    try {
      await writeFile(join(parent, 'file'), '');
      await assert.rejects(writeFileAtomically(join(parent, 'file', 'run', 'result.json'), ''), {
        name: 'StorageUnavailable',
        message: /disk-\w+\/file\/run.* can't be written: a part of this path is a file.*ENOTDIR/,
      });
    } finally {
      await rm(parent, { recursive: true });
    }
  });
});

/** Why nothing can be mounted here; undefined where it can. */
function namespaceProblem(): string | undefined {
  if (process.platform !== 'linux') return `${process.platform} has no unshare`;
  try {
    execFileSync('unshare', ['-rm', 'mount', '-t', 'tmpfs', 'tmpfs', tmpdir()], { stdio: 'pipe' });
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message.split('\n').join(' ') : String(error);
  }
}
