import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fineTuningSchema, roundForIteration } from '../../../src/config/fine-tuning.ts';
import { packageRoot } from '../../../src/platform/package-root.ts';

const python = process.env['SELF_TAUGHT_EVALUATOR_PYTHON'] ?? 'python3';

describe("a start's exit.json", function () {
  this.timeout(180_000);
  let folder: string;
  beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'exit-'))));
  afterEach(() => rmSync(folder, { recursive: true }));

  /** Runs one process of a trainer, which fails for its data; returns what exit.json says then. */
  function fail(data: string, environment: Record<string, string>): string {
    const round = roundForIteration(fineTuningSchema.parse({}), 1);
    const job = {
      schema: 1,
      method: 'sft',
      baseCheckpoint: join(folder, 'base'),
      data: join(folder, data),
      outputFolder: folder,
      seed: 7,
      hyperparameters: round.hyperparameters,
      adapter: { kind: 'none' },
      threads: 1,
      trustRemoteCode: false,
      name: 'test',
      reportTo: [],
      token: 'token',
    };
    writeFileSync(join(folder, data), 'no row\n');
    writeFileSync(join(folder, 'job.json'), JSON.stringify(job));
    const { status } = spawnSync(python, ['-m', 'trainer', '--job', join(folder, 'job.json')], {
      cwd: packageRoot,
      env: { ...process.env, WORLD_SIZE: '4', ...environment },
    });
    assert.equal(status, 65);
    const exit = JSON.parse(readFileSync(join(folder, 'exit.json'), 'utf8')) as { message: string };
    return exit.message;
  }

  it('is written by the first rank that fails, not only by rank 0', () => {
    assert.match(fail('of-rank-3', { RANK: '3' }), /of-rank-3, line 1/);
    assert.match(fail('of-rank-1', { RANK: '1' }), /of-rank-3, line 1/);
    assert.match(fail('of-rank-0', { RANK: '0' }), /of-rank-3, line 1/);
    assert(!existsSync(join(folder, 'lease.json')));
    assert.deepEqual(
      readdirSync(folder).filter((name) => name.endsWith('.tmp')),
      [],
    );
  });

  it('is written by the newest attempt if torchrun restarts all ranks', () => {
    fail('of-before', { RANK: '3' });
    const again = { RANK: '0', TORCHELASTIC_RESTART_COUNT: '1' };
    assert.match(fail('of-after', again), /of-after, line 1/);
  });
});
