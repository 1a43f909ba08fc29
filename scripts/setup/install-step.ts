import { execFile } from 'node:child_process';
import { SetupError } from './setup-error.ts';

const REPORT_EVERY_MS = 30_000;
const SHOWN_LINES = 15;

/** One line about the set-up, on standard error: standard output belongs to the command itself. */
export function say(line: string): void {
  console.error(`[setup] ${line}`);
}

/** Runs a step that takes long: says that it began, every 30 s that it still works, and how long it took. */
export async function step<T>(what: string, work: () => Promise<T>): Promise<T> {
  const startedAt = Date.now();
  const seconds = () => Math.round((Date.now() - startedAt) / 1000);
  say(`${what} ...`);
  const report = setInterval(() => say(`${what}: ${seconds()} s so far`), REPORT_EVERY_MS);
  try {
    const result = await work();
    say(`${what}: done in ${seconds()} s`);
    return result;
  } finally {
    clearInterval(report);
  }
}

/** Options of {@link run}. */
export interface RunOptions {
  cwd?: string;
  /** Added to the environment. */
  env?: Record<string, string>;
  /** Stops the command. */
  signal?: AbortSignal;
  /** Milliseconds until the command is stopped. */
  timeout?: number;
}

/**
 * Runs a command and returns what it wrote to standard output. Throws SetupError with the end of what it wrote when it
 * fails, cannot start or is stopped.
 */
export function run(command: string, args: string[], { env, ...options }: RunOptions = {}): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(
      command,
      args,
      { ...options, env: { ...process.env, ...env }, encoding: 'utf8', maxBuffer: 2 ** 26 },
      (error, stdout, stderr) => {
        if (error === null) return resolve(stdout);
        const end = `${stdout}\n${stderr}`.trim().split('\n').slice(-SHOWN_LINES).join('\n');
        reject(new SetupError(`${command} ${args.slice(0, 3).join(' ')} failed: ${end || error.message}`));
      },
    );
  });
}

/** {@link run}, or nothing when the command fails or is not there. For asking what a machine has. */
export async function tryRun(
  command: string,
  args: string[],
  options?: RunOptions,
): Promise<string | undefined> {
  try {
    return await run(command, args, options);
  } catch {
    return undefined;
  }
}

/**
 * Runs work that leaves half-made files when it is cut short: a first Ctrl-C or SIGTERM stops it through the signal, and
 * the process ends by that signal after the work has cleaned up.
 */
export async function untilInterrupted<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
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
