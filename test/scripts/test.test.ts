import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Runs `npm test`'s script on one test file with this text. */
function runTests(source: string): { status: number | null; lastLine: string | undefined } {
  const folder = mkdtempSync(join(tmpdir(), 'npm-test-'));
  try {
    const file = join(folder, 'one.test.ts');
    writeFileSync(file, source);
    // Its tests need neither of the two: any program will do.
    const named = {
      SELF_TAUGHT_EVALUATOR_PYTHON: process.execPath,
      SELF_TAUGHT_EVALUATOR_TEMPORAL: process.execPath,
    };
    const options = { encoding: 'utf8', env: { ...process.env, ...named } } as const;
    const { status, stdout } = spawnSync(process.execPath, ['scripts/test.ts', file], options);
    return { status, lastLine: stdout.trimEnd().split('\n').at(-1) };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

describe('npm test', () => {
  it('ends with the count of what passed and failed', () => {
    const passing = "it('is so', () => {}); it('is so too', () => {});";
    assert.deepEqual(runTests(passing), { status: 0, lastLine: '2 passed, 0 failed' });
    const failing = "it('is so', () => {}); it('is not', () => { throw new Error('no'); });";
    assert.deepEqual(runTests(failing), { status: 1, lastLine: '1 passed, 1 failed' });
  });

  it('counts a failure when mocha breaks off, cannot load a file or finds no test', () => {
    const breakingOff = "it('is so', () => {}); it('ends', () => { process.exit(0); });";
    assert.deepEqual(runTests(breakingOff), { status: 1, lastLine: '1 passed, 1 failed' });
    assert.deepEqual(runTests("throw new Error('unloadable');"), {
      status: 1,
      lastLine: '0 passed, 1 failed',
    });
    assert.deepEqual(runTests(''), { status: 1, lastLine: '0 passed, 1 failed' });
  });
}).timeout(60_000);
