/** The contenders of the throughput bench: each sends one request for every pair of a file. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Client, Connection } from '@temporalio/client';
import { type DevServerOptions, startDevServer } from '../../src/cli/temporal/dev-server.ts';
import { startPairsJudging } from '../../src/client/index.ts';
import { localServerEnvironment } from '../../src/temporal/settings.ts';
import { freeServerPorts } from '../../tools/setup/free-ports.ts';

export interface Job {
  readonly baseUrl: string;
  readonly inFlight: number;
  readonly judgeFile: string;
  readonly pairsFile: string;
  /** The prompts as chat messages, a line for each pair. */
  readonly requestsFile: string;
  /** A new folder for whatever this round writes. */
  readonly folder: string;
}

/** A contender at work. */
export interface Running {
  /** Milliseconds since the epoch. */
  readonly startedAt: number;
  /** The process whose time counts. */
  readonly pid: number;
  /** The process of the Temporal server. */
  readonly temporalPid?: number | undefined;
  /** Resolves when the result is there. */
  readonly done: Promise<unknown>;
  /** Ends what is left. */
  stop(): Promise<void>;
}

export interface Contender {
  readonly name: string;
  start(job: Job): Promise<Running>;
}

/** A loop of loop.ts. */
export function loop(name: string, kind: 'bare' | 'client', root: string): Contender {
  const script = fileURLToPath(new URL('loop.ts', import.meta.url));
  return command(name, ({ folder, judgeFile, pairsFile, baseUrl, inFlight }) => [
    process.execPath,
    ...[script, kind, root, judgeFile, pairsFile, join(folder, 'answers.jsonl'), baseUrl, `${inFlight}`],
  ]);
}

/** The command `judge` of a checkout. */
export function judgeCommand(name: string, root: string): Contender {
  return command(name, ({ folder, judgeFile, pairsFile, baseUrl, inFlight }) => [
    ...[process.execPath, mainOf(root), 'judge', pairsFile, '--out', join(folder, 'verdicts.jsonl')],
    ...['--model', baseUrl, '--served-model-name', 'judge', '--judge', judgeFile],
    ...['--concurrency', `${inFlight}`, '--store', join(folder, 'store')],
  ]);
}

/** bespokelabs-curator in a Python that has it. */
export function curatorScript(python: string): Contender {
  const script = join(import.meta.dirname, 'curator.py');
  return command(
    'curator',
    ({ folder, requestsFile, baseUrl, inFlight }) => [
      ...[python, script, requestsFile, join(folder, 'answers.jsonl'), baseUrl, `${inFlight}`],
    ],
    ({ folder }) => ({
      CURATOR_CACHE_DIR: join(folder, 'cache'),
      CURATOR_VIEWER: '0',
      TELEMETRY_ENABLED: '0',
    }),
  );
}

/**
 * The workflow judgePairsFile with a worker of a checkout and a store on the disk. The worker is started for each round, as the
 * other contenders are, and its start does not count.
 */
export function workflow(name: string, root: string, temporal: Temporal): Contender {
  return {
    name,
    async start({ folder, judgeFile, pairsFile, baseUrl, inFlight }) {
      const taskQueue = `bench-${name}`;
      const worker = await startWorker(root, temporal, folder, [
        ...['--task-queue', taskQueue, '--max-requests-in-flight', `${inFlight}`],
      ]);
      const startedAt = Date.now();
      const judging = await startPairsJudging(
        temporal.client,
        {
          runName: `bench-${startedAt}`,
          serving: { kind: 'endpoint', baseUrl, servedModelName: 'judge' },
          judgeFile,
          pairsFile,
        },
        { taskQueue },
      );
      return {
        startedAt,
        pid: worker.pid!,
        temporalPid: temporal.pid,
        done: judging.result(),
        stop: () => worker.stop(),
      };
    },
  };
}

/** Starts a worker of a checkout with its store in a folder, and waits until it works. */
export async function startWorker(
  root: string,
  { address }: Temporal,
  folder: string,
  settings: readonly string[],
  name = 'worker',
): Promise<{ readonly pid: number | undefined; stop(): Promise<void> }> {
  const log = join(folder, `${name}.log`);
  const worker = run(
    [
      ...[process.execPath, mainOf(root), 'worker', '--store', join(folder, 'store')],
      ...['--on-shutdown', 'stop', ...settings],
    ],
    log,
    // Another checkout does not recognise the server as its own.
    { ...localServerEnvironment(address, process.env), SELF_TAUGHT_EVALUATOR_POLICY: 'open' },
  );
  while (!readFileSync(log, 'utf8').includes('worker with roles')) {
    if (worker.exitCode !== null) throw new Error(`the worker ended:\n${readFileSync(log, 'utf8')}`);
    await sleep(50);
  }
  return {
    pid: worker.pid,
    async stop() {
      if (worker.exitCode !== null) return;
      worker.kill();
      await once(worker, 'exit');
    },
  };
}

export interface Temporal {
  readonly client: Client;
  readonly address: string;
  readonly pid: number | undefined;
  stop(): Promise<void>;
}

export async function startTemporal(
  folder: string,
  options: Pick<DevServerOptions, 'fairness'> = {},
): Promise<Temporal> {
  const server = await startDevServer({
    ports: await freeServerPorts(),
    databaseFile: join(folder, 'temporal.db'),
    ...options,
  });
  const connection = await Connection.connect({ address: server.address });
  return {
    client: new Client({ connection }),
    address: server.address,
    pid: server.pid,
    async stop() {
      await connection.close();
      await server.stop();
    },
  };
}

function command(
  name: string,
  line: (job: Job) => string[],
  environment: (job: Job) => NodeJS.ProcessEnv = () => ({}),
): Contender {
  return {
    name,
    async start(job) {
      const log = join(job.folder, 'output.log');
      const startedAt = Date.now();
      const child = run(line(job), log, { ...process.env, ...environment(job) });
      const done = once(child, 'exit').then(([code]) => {
        if (code !== 0)
          throw new Error(`${name} ended with ${code}:\n${readFileSync(log, 'utf8').slice(-2000)}`);
      });
      return { startedAt, pid: child.pid!, done, stop: () => done.catch(() => undefined) };
    },
  };
}

/** Starts a program, which ends with this one, and whose output goes to a file. */
function run([program = '', ...args]: string[], logFile: string, env: NodeJS.ProcessEnv): ChildProcess {
  const log = openSync(logFile, 'a');
  const child = spawn(program, args, { stdio: ['ignore', log, log], env });
  closeSync(log);
  process.once('exit', () => child.kill('SIGKILL'));
  return child;
}

function mainOf(root: string): string {
  return join(root, 'src/cli/main.ts');
}
