import { execFile } from 'node:child_process';
import { ownEnvironment } from '../../platform/process-environment.ts';
import { SetupError } from '../../platform/setup-error.ts';
import { printError } from '../core/output.ts';

const REPORT_EVERY_MS = 30_000;
const MAX_ERROR_LINES = 15;

/** Prints a line about the set-up to standard error, because standard output is for the command's result. */
export function logSetup(line: string): void {
  printError(`[setup] ${line}`);
}

/** Runs a long step and logs its start, its progress every 30 s, and its duration. */
export async function withProgressLog<T>(what: string, work: () => Promise<T>): Promise<T> {
  const startedAt = Date.now();
  const seconds = () => Math.round((Date.now() - startedAt) / 1000);
  logSetup(`${what} ...`);
  const report = setInterval(() => logSetup(`${what}: ${seconds()} s so far`), REPORT_EVERY_MS);
  try {
    const result = await work();
    logSetup(`${what}: done in ${seconds()} s`);
    return result;
  } finally {
    clearInterval(report);
  }
}

/** Options of {@link runCommand}. */
export interface RunCommandOptions {
  cwd?: string;
  /** Added to the environment. */
  env?: Record<string, string>;
  /** Stops the command. */
  signal?: AbortSignal;
  /** Milliseconds until the command is stopped. */
  timeout?: number;
}

/**
 * Runs a command and returns its standard output. Throws SetupError with the end of its output if it fails, cannot start or
 * is stopped.
 */
export function runCommand(
  command: string,
  args: string[],
  { env, ...options }: RunCommandOptions = {},
): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(
      command,
      args,
      { ...options, env: { ...ownEnvironment('setup'), ...env }, encoding: 'utf8', maxBuffer: 2 ** 26 },
      (error, stdout, stderr) => {
        if (error === null) return resolve(stdout);
        const end = `${stdout}\n${stderr}`.trim().split('\n').slice(-MAX_ERROR_LINES).join('\n');
        reject(new SetupError(`${command} ${args.slice(0, 3).join(' ')} failed: ${end || error.message}`));
      },
    );
  });
}

/** Like {@link runCommand}, but returns undefined if the command fails or does not exist. */
export async function tryRunCommand(
  command: string,
  args: string[],
  options?: RunCommandOptions,
): Promise<string | undefined> {
  try {
    return await runCommand(command, args, options);
  } catch {
    return undefined;
  }
}

/**
 * Runs work that must clean up when it is interrupted: Ctrl-C or SIGTERM aborts it through the signal, and the process ends
 * by that signal after the work has cleaned up.
 */
export async function withInterruptSignal<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const interrupted = new AbortController();
  const onSignal = (signal: NodeJS.Signals) => interrupted.abort(signal);
  process.on('SIGINT', onSignal).on('SIGTERM', onSignal);
  try {
    return await work(interrupted.signal);
  } finally {
    process.off('SIGINT', onSignal).off('SIGTERM', onSignal);
    if (interrupted.signal.aborted) process.kill(process.pid, interrupted.signal.reason as NodeJS.Signals);
  }
}
