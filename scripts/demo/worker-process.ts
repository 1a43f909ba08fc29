import { spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { SetupError } from '../setup/setup-error.ts';

/** Enough for the message of an error that Node prints above its stack. */
const LINES_OF_LOG = 20;

/** A worker in a process of its own. */
export interface WorkerProcess {
  /** Rejects when the worker ends by itself, with the end of its log. */
  readonly ended: Promise<never>;
  /** Stops it, the model servers and the trainer that it has started, and is done when they have. */
  stop(): Promise<void>;
}

/** Starts a worker with all roles that takes its children along when it stops. */
export function startWorker(options: {
  python: string;
  storeRoot: string;
  logFile: string;
  /** Names the Temporal server, among what else a worker sees. */
  environment: Readonly<Record<string, string | undefined>>;
}): WorkerProcess {
  const { python, storeRoot, logFile, environment } = options;
  mkdirSync(dirname(logFile), { recursive: true });
  const log = openSync(logFile, 'w');
  const setup = join(import.meta.dirname, '..', 'setup', 'stop-with-parent.mjs');
  const script = join(import.meta.dirname, '..', 'cli.ts');
  const child = spawn(
    process.execPath,
    [
      '--import',
      setup,
      script,
      'worker',
      '--store',
      storeRoot,
      '--on-shutdown',
      'stop',
      '--shutdown-grace-seconds',
      '1',
      '--log-format',
      'text',
    ],
    {
      stdio: ['ignore', log, log, 'ipc'],
      // Of its own group: on Ctrl-C it is told once, by us.
      detached: true,
      env: { ...environment, SELF_TAUGHT_EVALUATOR_PYTHON: python },
    },
  );
  closeSync(log);
  let stopping = false;
  const exited = new Promise<void>((resolve) => {
    child.on('exit', () => resolve()).on('error', () => resolve());
  });
  const ended = exited.then(() => {
    if (stopping) return new Promise<never>(() => undefined);
    const end = readFileSync(logFile, 'utf8').trim().split('\n').slice(-LINES_OF_LOG).join('\n');
    throw new SetupError(`The worker ended. The end of ${logFile}:\n${end}`);
  });
  ended.catch(() => undefined);
  return {
    ended,
    stop: async () => {
      stopping = true;
      child.kill('SIGTERM');
      await exited;
    },
  };
}
