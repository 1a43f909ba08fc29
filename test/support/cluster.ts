/**
 * A real Temporal server and worker processes for tests. Each worker is a separate process, which a test may kill.
 */
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Client, Connection } from '@temporalio/client';
import { startDevServer } from '../../src/cli/temporal/dev-server.ts';
import { freeServerPorts } from '../../tools/setup/free-ports.ts';
import { localServerEnvironment } from '../../src/temporal/settings.ts';
import { ensureTemporalCli } from '../../src/cli/setup/temporal-cli.ts';
import { moduleFile, packageRoot } from '../../src/platform/package-root.ts';

export interface WorkerProcess {
  readonly child: ChildProcess;
  /** The output so far. */
  log(): string;
  /** Kills the process with SIGKILL and waits until it is gone. */
  kill(): Promise<void>;
  /** Stops the worker with the model servers and trainers that it started. */
  stop(): Promise<void>;
}

export interface Cluster {
  readonly client: Client;
  readonly address: string;
  readonly storeRoot: string;
  readonly taskQueue: string;
  startWorker(...options: string[]): WorkerProcess;
  /** Stops all workers with the model servers and trainers that they started. */
  stopWorkers(): Promise<void>;
  /** Runs a command of the Temporal CLI on the server and returns its output. */
  cli(...command: string[]): Promise<string>;
  close(): Promise<void>;
}

/** Starts a Temporal server on free ports with its files in the folder. */
export type StartServer = (folder: string) => Promise<{ address: string; stop(): Promise<void> }>;

const startDevelopmentServer: StartServer = async (folder) => {
  return startDevServer({ ports: await freeServerPorts(), databaseFile: join(folder, 'temporal.db') });
};

/**
 * Starts a Temporal server, by default the development server, with a store in a temporary folder.
 * @param environment variables of the workers, in addition to those of this process
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
      const around = {
        ...localServerEnvironment(address, process.env),
        // With a server that this checkout has not started, a worker is strict.
        ...(startServer === startDevelopmentServer ? {} : { SELF_TAUGHT_EVALUATOR_POLICY: 'open' }),
        ...environment,
      };
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
  /** Prints the worker's log if it failed and no test has read the log. */
  explain(): void;
}

function startWorker(
  environment: Readonly<Record<string, string | undefined>>,
  storeRoot: string,
  logFile: string,
  options: string[],
): StartedWorker {
  // Options of the test replace these, because an option may be given only once.
  const usual = {
    '--store': storeRoot,
    '--on-shutdown': 'stop',
    '--shutdown-grace-seconds': '1',
    '--log-format': 'text',
    '--failure-details': 'on',
  };
  const log = openSync(logFile, 'a');
  const child = spawn(
    process.execPath,
    [
      ...[moduleFile('cli/main'), 'worker'],
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
