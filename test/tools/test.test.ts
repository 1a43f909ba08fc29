import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { namesTestFiles, testFiles } from '../../tools/setup/test-files.ts';

/** Runs the script of `npm test` on one test file with this source. */
function runTests(source: string): { status: number | null; lastLine: string | undefined } {
  const folder = mkdtempSync(join(tmpdir(), 'npm-test-'));
  try {
    const file = join(folder, 'one.test.ts');
    writeFileSync(file, source);
    // The tests in the file use neither program.
    const named = {
      SELF_TAUGHT_EVALUATOR_PYTHON: process.execPath,
      SELF_TAUGHT_EVALUATOR_TEMPORAL: process.execPath,
    };
    const options = { encoding: 'utf8', env: { ...process.env, ...named } } as const;
    const { status, stdout } = spawnSync(process.execPath, ['tools/test.ts', file], options);
    return { status, lastLine: stdout.trimEnd().split('\n').at(-1) };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Runs `.ci/run` in an empty checkout, with an npm that prints this for each of its scripts. */
function runContinuousIntegration(printed: Record<string, string>): {
  status: number | null;
  lastLine: string | undefined;
} {
  const folder = mkdtempSync(join(tmpdir(), 'ci-'));
  try {
    mkdirSync(join(folder, '.ci'));
    copyFileSync('.ci/run', join(folder, '.ci/run'));
    const cases = Object.entries(printed).map(([script, text]) => `*' ${script}') echo '${text}' ;;`);
    const programs = { node: '', npm: `case " $*" in ${cases.join(' ')} esac` };
    for (const [name, text] of Object.entries(programs))
      writeFileSync(join(folder, name), `#!/bin/sh\n${text}\n`, { mode: 0o755 });
    const env = { ...process.env, PATH: `${folder}:${process.env['PATH']}` };
    const { status, stdout } = spawnSync(join(folder, '.ci/run'), { encoding: 'utf8', env });
    return { status, lastLine: stdout.trimEnd().split('\n').at(-1) };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

describe('npm test', () => {
  it('and npm run test:slow together run the files of npm run test:all, each once', () => {
    const [quick, slow, all] = [testFiles('quick'), testFiles('slow'), testFiles('all')];
    assert.deepEqual([...quick, ...slow].sort(), all.toSorted());
    assert.equal(new Set(all).size, all.length);
    assert(quick.length > slow.length && slow.length > 0);
  });

  it('takes an argument for a test file only if it is not the value of an option', () => {
    for (const args of [
      [],
      ['--require', 'package.json'],
      ['-r', 'package.json', '--bail'],
      ['--file=package.json'],
      ['-g', 'tools'],
      ['--retries', '2'],
    ])
      assert.equal(namesTestFiles(args), false, args.join(' '));
    for (const args of [
      ['test/tools/test.test.ts'],
      ['--bail', 'test/tools/*.test.ts'],
      ['--require', 'package.json', 'test/tools/test.test.ts'],
      ['--spec', 'test/tools/test.test.ts'],
      ['test/misspelled.test.ts'],
    ])
      assert.equal(namesTestFiles(args), true, args.join(' '));
    assert.throws(() => namesTestFiles(['--grep']), /Not enough arguments following: grep/);
  });

  it('ends with the count of what passed and failed', () => {
    const passing = "it('is so', () => {}); it('is so too', () => {});";
    assert.deepEqual(runTests(passing), { status: 0, lastLine: '2 passed, 0 failed' });
    const failing = "it('is so', () => {}); it('is not', () => { throw new Error('no'); });";
    assert.deepEqual(runTests(failing), { status: 1, lastLine: '1 passed, 1 failed' });
  });

  it('counts a failure if mocha exits early, cannot load a file, or finds no test', () => {
    const breakingOff = "it('is so', () => {}); it('ends', () => { process.exit(0); });";
    assert.deepEqual(runTests(breakingOff), { status: 1, lastLine: '1 passed, 1 failed' });
    assert.deepEqual(runTests("throw new Error('unloadable');"), {
      status: 1,
      lastLine: '0 passed, 1 failed',
    });
    assert.deepEqual(runTests(''), { status: 1, lastLine: '0 passed, 1 failed' });
  });
}).timeout(300_000);

describe('.ci/run', () => {
  it('ends with the count of all tests, and fails with any of them', () => {
    const quick = '10 passed, 0 failed';
    assert.deepEqual(runContinuousIntegration({ test: quick, 'test:slow': '5 passed, 0 failed' }), {
      status: 0,
      lastLine: '15 passed, 0 failed',
    });
    assert.deepEqual(runContinuousIntegration({ test: quick, 'test:slow': '4 passed, 1 failed' }), {
      status: 1,
      lastLine: '14 passed, 1 failed',
    });
  });

  it('counts a failure when tests break off before they are counted', () => {
    const { status, lastLine } = runContinuousIntegration({ test: '10 passed, 0 failed', 'test:slow': 'oh' });
    assert.deepEqual({ status, lastLine }, { status: 1, lastLine: '10 passed, 1 failed' });
  });
});
