/**
 * `npm test [-- files and mocha options]`: prepares what the tests need, runs mocha, and prints `N passed, N failed` last.
 * Unless files are named, it runs all but the slow tests; `npm run test:slow` runs those, `npm run test:all` both.
 */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { COUNTS_FD } from './setup/mocha-reporter.mjs';
import { installDependencies } from '../src/cli/setup/install-dependencies.ts';
import { runTool } from './setup/run-tool.ts';
import { namesTestFiles, testFiles, type Selection } from './setup/test-files.ts';

const root = join(import.meta.dirname, '..');
/** Test files that run at the same time; most of them wait for processes and timers half of the time. */
const JOBS = 3;
const EXIT_MS = 20_000;

interface Counts {
  passed: number;
  failed: number;
  ended: boolean;
}

function parse([first = '', ...others]: string[]): { selection: Selection; args: string[] } {
  if (first === '--slow') return { selection: 'slow', args: others };
  if (first === '--all') return { selection: 'all', args: others };
  return { selection: 'quick', args: first === '' ? others : [first, ...others] };
}

/** Runs mocha. A crash or another problem that mocha does not count is added as one failure. */
async function runMocha(
  selection: Selection,
  args: string[],
  environment: NodeJS.ProcessEnv,
): Promise<Counts> {
  const mocha = spawn(
    process.execPath,
    [
      join(root, 'node_modules', 'mocha', 'bin', 'mocha.js'),
      '--reporter',
      join(import.meta.dirname, 'setup', 'mocha-reporter.mjs'),
      '--require',
      join(import.meta.dirname, 'setup', 'machine-folder.mjs'),
      ...args,
      ...(namesTestFiles(args) ? [] : ['--parallel', '--jobs', `${JOBS}`, ...testFiles(selection)]),
    ],
    { cwd: root, env: environment, stdio: ['inherit', 'inherit', 'inherit', 'pipe'] },
  );
  const counts: Counts = { passed: 0, failed: 0, ended: false };
  let killer: NodeJS.Timeout | undefined;
  createInterface({ input: mocha.stdio[COUNTS_FD] as Readable }).on('line', (line) => {
    Object.assign(counts, JSON.parse(line));
    if (!counts.ended) return;
    killer = setTimeout(() => {
      console.error(
        `The tests ended, but mocha did not within ${EXIT_MS / 1000} s: a test leaves something open.`,
      );
      mocha.kill('SIGKILL');
    }, EXIT_MS);
  });
  const forward = (signal: NodeJS.Signals) => void mocha.kill(signal);
  process.on('SIGINT', forward).on('SIGTERM', forward);
  // `close` comes after all counts have been read.
  const code = await new Promise<number | null>((resolve) =>
    mocha.on('close', (exitCode) => resolve(exitCode)),
  );
  clearTimeout(killer);
  process.off('SIGINT', forward).off('SIGTERM', forward);
  if (!counts.ended) {
    console.error(`Mocha broke off before its last test (exit code ${code ?? 'none'}).`);
    counts.failed += 1;
  } else if (code !== 0 && counts.failed === 0) {
    counts.failed = 1;
  }
  return counts;
}

await runTool(async () => {
  const counts: Counts = { passed: 0, failed: 1, ended: false };
  try {
    const { temporal, python } = await installDependencies();
    const environment = {
      ...process.env,
      SELF_TAUGHT_EVALUATOR_TEMPORAL: temporal,
      SELF_TAUGHT_EVALUATOR_PYTHON: python,
    };
    const { selection, args } = parse(process.argv.slice(2));
    Object.assign(counts, await runMocha(selection, args, environment));
  } finally {
    console.log(`${counts.passed} passed, ${counts.failed} failed`);
  }
  if (counts.failed > 0) process.exitCode = 1;
});
