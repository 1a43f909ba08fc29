import { spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { SetupError } from '../../platform/setup-error.ts';
import { moduleFile, STOP_WITH_PARENT } from '../../platform/package-root.ts';

/** Enough lines to include the message that Node prints above an error's stack. */
const LOG_LINES = 20;

/** A worker in a separate process. */
export interface WorkerProcess {
  /** Rejects with the end of the log if the worker ends without being stopped. */
  readonly ended: Promise<never>;
  /** Stops the worker with its model servers and trainer, and waits until they have exited. */
  stop(): Promise<void>;
}

/** Starts a worker with all roles, which stops its model servers and trainer when it is stopped. */
export function startWorkerProcess(options: {
  python: string;
  storeRoot: string;
  logFile: string;
  /** The worker's environment variables; they name the Temporal server. */
  environment: Readonly<Record<string, string | undefined>>;
}): WorkerProcess {
  const { python, storeRoot, logFile, environment } = options;
  mkdirSync(dirname(logFile), { recursive: true });
  const log = openSync(logFile, 'w');
  const child = spawn(
    process.execPath,
    [
      ...STOP_WITH_PARENT,
      moduleFile('cli/main'),
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
      // In its own process group, so that Ctrl-C does not reach it directly: `stop` stops it.
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
    const end = readFileSync(logFile, 'utf8').trim().split('\n').slice(-LOG_LINES).join('\n');
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
