/** A Temporal server and workers, on this machine or on machines of their own, which are restarted when they are killed. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client, Connection } from '@temporalio/client';
import { localServerEnvironment } from '../../src/temporal/settings.ts';
import { DEFAULT_TASK_QUEUE } from '../../src/api/task-queues.ts';
import { missingRoleProblems } from '../../src/temporal/missing-roles.ts';
import { startDevServer } from '../../src/cli/temporal/dev-server.ts';
import { createNetwork, type Machine, type MachineProcess } from '../../test/support/machines.ts';
import { freeServerPorts } from '../setup/free-ports.ts';
import { folderStore, startBucket, type StoreKind } from './stores.ts';
import { SupervisedProcess, type StartedProcess } from './supervised-process.ts';
import { moduleFile, packageRoot, STOP_WITH_PARENT } from '../../src/platform/package-root.ts';

/** Workers start in seconds, on a busy machine in a minute. */
const START_MILLISECONDS = 240_000;

export interface Cluster {
  /** The store's address for workers. */
  readonly storeRoot: string;
  /** Its objects as files. */
  readonly storeFolder: string;
  /** The server of a store in a bucket. */
  readonly bucketServer: SupervisedProcess | undefined;
  readonly client: Client;
  readonly temporal: SupervisedProcess;
  /** If they are on machines of their own, each is killed together with its machine. */
  readonly workers: readonly SupervisedProcess[];
  /** The machines that run now, by the process ids of `workers`; undefined if the workers share this one. */
  readonly machines: ReadonlyMap<number, Machine> | undefined;
  close(): Promise<void>;
}

export interface ClusterOptions {
  /** The folder for the store, the database and the logs. */
  readonly folder: string;
  readonly python: string;
  readonly store: StoreKind;
  /** The number of worker processes, each with all roles, if they share this machine. */
  readonly workers: number;
  /** The number of machines with one worker each; 1 is this machine. */
  readonly machines: number;
  /** How long a machine that was killed is away, in milliseconds. */
  readonly downtime: () => number;
}

/** Starts a Temporal server with a database file, and workers with all roles. */
export async function startCluster(options: ClusterOptions): Promise<Cluster> {
  const { folder, python, downtime } = options;
  const network = options.machines > 1 ? await createNetwork() : undefined;
  const store = options.store === 'folder' ? folderStore(join(folder, 'store')) : await startBucket(folder);
  const { address: storeRoot } = store;
  const bucketEnvironment = await store.environment(network);
  const ports = await freeServerPorts();
  const address = `127.0.0.1:${ports.grpc}`;
  const workersAddress = (await network?.forward(ports.grpc)) ?? address;
  const temporal = new SupervisedProcess(async () => {
    const server = await startDevServer({ ports, databaseFile: join(folder, 'temporal.db') });
    return { pid: server.pid as number, exited: server.ended, stop: () => server.stop() };
  });
  const machines = new Map<number, Machine>();
  let started = 0;
  const startNext = async (): Promise<StartedProcess> => {
    started += 1;
    const worker = { address: workersAddress, storeRoot, python, environment: bucketEnvironment };
    if (network === undefined)
      return startWorker({ ...worker, logFile: join(folder, 'workers.log'), launch: launchHere });
    const name = `n${started}`;
    // The next name of a machine that was killed.
    if (started > options.machines) await sleep(downtime());
    const machine = await network.startMachine(name);
    machines.set(machine.pid, machine);
    const logFile = join(folder, `${name}.log`);
    return startMachineWorker(machine, { ...worker, logFile }, () => machines.delete(machine.pid));
  };
  const count = network === undefined ? options.workers : options.machines;
  const workers = Array.from({ length: count }, () => new SupervisedProcess(startNext));
  let connection: Connection | undefined;
  const close = async () => {
    await Promise.all(workers.map((worker) => worker.stop()));
    await connection?.close();
    await temporal.stop();
    await store.close();
    await network?.close();
  };
  try {
    await store.server?.start();
    await temporal.start();
    connection = await Connection.connect({ address });
    const client = new Client({ connection });
    await Promise.all(workers.map((worker) => worker.start()));
    await awaitRoles(client);
    return {
      ...{ storeRoot, storeFolder: store.folder, bucketServer: store.server },
      ...{ client, temporal, workers, close },
      machines: network === undefined ? undefined : machines,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/** A start that finds no worker of a role for 15 s is rejected by design. */
async function awaitRoles(client: Client): Promise<void> {
  const deadline = performance.now() + START_MILLISECONDS;
  for (;;) {
    const missing = await missingRoleProblems(client, DEFAULT_TASK_QUEUE);
    if (missing.length === 0) return;
    if (performance.now() > deadline)
      throw new Error(`the workers do not start: ${missing.map(({ message }) => message).join('; ')}`);
    await sleep(100);
  }
}

/** Ends the machine as soon as its worker ends. */
function startMachineWorker(
  machine: Machine,
  options: Omit<WorkerOptions, 'launch'>,
  onEnd: () => void,
): StartedProcess {
  const worker = startWorker({
    ...options,
    // Other machines reach its model servers.
    serveHost: machine.address,
    launch: (command, launchOptions) => machine.spawn(command, launchOptions),
  });
  const exited = Promise.race([machine.exited, worker.exited]).then(async () => {
    onEnd();
    await machine.kill();
  });
  return { pid: machine.pid, exited, stop: () => worker.stop() };
}

type LaunchOptions = Parameters<Machine['spawn']>[1];

function launchHere([program = '', ...rest]: readonly string[], options?: LaunchOptions): MachineProcess {
  const child = spawn(program, rest, { ...options, detached: true });
  return { child, signal: (name) => void child.kill(name) };
}

interface WorkerOptions {
  readonly address: string;
  readonly storeRoot: string;
  readonly python: string;
  readonly logFile: string;
  readonly launch: typeof launchHere;
  /** With the address of the bucket's server. */
  readonly environment: Readonly<Record<string, string>>;
  /** Where its model servers listen; loopback by default. */
  readonly serveHost?: string | undefined;
}

function startWorker(options: WorkerOptions): StartedProcess {
  const { address, storeRoot, python, logFile, launch, serveHost, environment } = options;
  const log = openSync(logFile, 'a');
  const worker = launch(
    [
      process.execPath,
      ...[...STOP_WITH_PARENT, moduleFile('cli/main'), 'worker'],
      // For the normal end; a killed worker can't stop anything.
      ...['--store', storeRoot, '--on-shutdown', 'stop', '--shutdown-grace-seconds', '1'],
      ...(serveHost === undefined ? [] : ['--serve-host', serveHost]),
    ],
    {
      cwd: packageRoot,
      stdio: ['ignore', log, log, 'ipc'],
      env: {
        ...localServerEnvironment(address, process.env),
        ...environment,
        SELF_TAUGHT_EVALUATOR_PYTHON: python,
        SELF_TAUGHT_EVALUATOR_POLICY: 'open',
        OMP_NUM_THREADS: '1',
      },
    },
  );
  closeSync(log);
  const exited = once(worker.child, 'exit');
  return {
    pid: worker.child.pid as number,
    exited,
    async stop() {
      worker.signal('SIGTERM');
      await exited;
    },
  };
}
