/**
 * `npm test [-- files and mocha options]`: prepares what the tests need, runs mocha, and prints `N passed, N failed` last.
 */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { COUNTS_FD } from './setup/count-tests.mjs';
import { prepare } from './setup/prepare.ts';
import { runScript } from './setup/run-script.ts';

const ALL_TESTS = 'test/**/*.test.ts';
/** Test files at a time: most wait for processes and clocks half of their time. */
const JOBS = 3;
const EXIT_MS = 20_000;

interface Counts {
  passed: number;
  failed: number;
  ended: boolean;
}

/** Runs mocha. Anything that mocha's own counts do not tell, such as its crash, is one failure more. */
async function runMocha(args: string[], environment: NodeJS.ProcessEnv): Promise<Counts> {
  const root = join(import.meta.dirname, '..');
  const named = args.some(
    (argument) => !argument.startsWith('-') && (argument.includes('*') || existsSync(argument)),
  );
  const mocha = spawn(
    process.execPath,
    [
      join(root, 'node_modules', 'mocha', 'bin', 'mocha.js'),
      '--reporter',
      join(import.meta.dirname, 'setup', 'count-tests.mjs'),
      ...args,
      ...(named ? [] : [ALL_TESTS, '--parallel', '--jobs', `${JOBS}`]),
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
  // Closed is when all that it has counted is read, too.
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

await runScript(async () => {
  const counts: Counts = { passed: 0, failed: 1, ended: false };
  try {
    const { temporal, python } = await prepare();
    const environment = {
      ...process.env,
      SELF_TAUGHT_EVALUATOR_TEMPORAL: temporal,
      SELF_TAUGHT_EVALUATOR_PYTHON: python,
    };
    Object.assign(counts, await runMocha(process.argv.slice(2), environment));
  } finally {
    console.log(`${counts.passed} passed, ${counts.failed} failed`);
  }
  if (counts.failed > 0) process.exitCode = 1;
});
