/**
 * A Temporal server and worker processes for tests, as real as in production: every worker is a process of its own,
 * which a test may kill.
 */
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { Client, Connection } from '@temporalio/client';
import { startTemporal } from '../../scripts/setup/dev-server.ts';
import { freeServerPorts } from '../../scripts/setup/free-ports.ts';
import { environmentOfLocalServer } from '../../src/temporal/settings.ts';
import { ensureTemporalCli } from '../../scripts/setup/temporal-cli.ts';

export const packageRoot = resolve(import.meta.dirname, '../..');

export interface WorkerProcess {
  readonly child: ChildProcess;
  /** What it has written so far. */
  log(): string;
  /** Kills the process as a crash would, and waits until it is gone. */
  kill(): Promise<void>;
  /** Stops it with the servers and trainers that it started. */
  stop(): Promise<void>;
}

export interface Cluster {
  readonly client: Client;
  readonly address: string;
  readonly storeRoot: string;
  readonly taskQueue: string;
  startWorker(...options: string[]): WorkerProcess;
  /** Stops every worker that runs, with the servers and trainers that they started. */
  stopWorkers(): Promise<void>;
  /** Runs a command of the Temporal CLI against the server, as an operator does; returns what it prints. */
  cli(...command: string[]): Promise<string>;
  close(): Promise<void>;
}

/** Starts a Temporal server on free ports with its files in the folder. */
export type StartServer = (folder: string) => Promise<{ address: string; stop(): Promise<void> }>;

const startDevelopmentServer: StartServer = async (folder) => {
  return startTemporal({ ports: await freeServerPorts(), dbFile: join(folder, 'temporal.db') });
};

/**
 * Starts a Temporal server, the development server unless another is asked for, with a store in a temporary folder.
 * @param environment what the workers see beside this process's own
 */
export async function startCluster(
  startServer: StartServer = startDevelopmentServer,
  environment: Readonly<Record<string, string>> = {},
): Promise<Cluster> {
  const folder = await mkdtemp(join(tmpdir(), 'cluster-'));
  const temporal = await startServer(folder);
  const { address } = temporal;
  const connection = await Connection.connect({ address });
  const taskQueue = 'self-taught-evaluator';
  const storeRoot = join(folder, 'store');
  const workers: StartedWorker[] = [];
  const stopWorkers = async () => {
    await Promise.all(workers.map((worker) => worker.stop()));
  };

  return {
    client: new Client({ connection }),
    address,
    storeRoot,
    taskQueue,
    startWorker(...options) {
      const logFile = join(folder, `worker-${workers.length}.log`);
      const around = { ...environmentOfLocalServer(address, process.env), ...environment };
      const worker = startWorker(around, storeRoot, logFile, options);
      workers.push(worker);
      return worker;
    },
    stopWorkers,
    async cli(...command) {
      const program = await ensureTemporalCli();
      const { stdout } = await promisify(execFile)(program, [...command, '--address', address]);
      return stdout;
    },
    async close() {
      for (const worker of workers) worker.explain();
      await stopWorkers();
      await connection.close();
      await temporal.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

interface StartedWorker extends WorkerProcess {
  /** Prints its log if it ended with an error of which no test took note. */
  explain(): void;
}

function startWorker(
  environment: Readonly<Record<string, string | undefined>>,
  storeRoot: string,
  logFile: string,
  options: string[],
): StartedWorker {
  // An option is taken once: a test's own stand in place of these.
  const usual = {
    '--store': storeRoot,
    '--on-shutdown': 'stop',
    '--shutdown-grace-seconds': '1',
    '--log-format': 'text',
  };
  const log = openSync(logFile, 'a');
  const child = spawn(
    process.execPath,
    [
      ...[join(packageRoot, 'scripts', 'cli.ts'), 'worker'],
      ...Object.entries(usual)
        .filter(([name]) => !options.includes(name))
        .flat(),
      ...options,
    ],
    {
      cwd: packageRoot,
      stdio: ['ignore', log, log],
      env: { ...environment, OMP_NUM_THREADS: '1' },
    },
  );
  closeSync(log);
  const end = async (signal: NodeJS.Signals) => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill(signal);
    await exited;
  };
  let isRead = false;
  const text = () => readFileSync(logFile, 'utf8');
  return {
    child,
    log() {
      isRead = true;
      return text();
    },
    explain() {
      if (child.exitCode && !isRead) console.error(`A worker ended with ${child.exitCode}:\n${text()}`);
    },
    kill: () => end('SIGKILL'),
    stop: () => end('SIGTERM'),
  };
}
