/** Everything that a run needs on one machine, kept up by a supervisor: Temporal server and workers. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { Client, Connection } from '@temporalio/client';
import { environmentOfLocalServer } from '../../src/temporal/settings.ts';
import { startTemporal } from '../setup/dev-server.ts';
import { freeServerPorts } from '../setup/free-ports.ts';
import { Supervised, type Started } from './supervised.ts';

export interface Cluster {
  readonly storeRoot: string;
  readonly client: Client;
  readonly temporal: Supervised;
  readonly workers: readonly Supervised[];
  close(): Promise<void>;
}

/** Starts a Temporal server with a database file, and workers that have all roles each; all in `folder`. */
export async function startCluster(options: {
  folder: string;
  python: string;
  workers: number;
}): Promise<Cluster> {
  const { folder, python } = options;
  const storeRoot = join(folder, 'store');
  const ports = await freeServerPorts();
  const address = `127.0.0.1:${ports.grpc}`;
  const temporal = new Supervised('Temporal server', async () => {
    const server = await startTemporal({ ports, dbFile: join(folder, 'temporal.db') });
    return { pid: server.pid as number, gone: server.ended, stop: () => server.stop() };
  });
  const workers = Array.from({ length: options.workers }, (_, index) => {
    const logFile = join(folder, `worker-${index + 1}.log`);
    return new Supervised(`worker ${index + 1}`, async () =>
      startWorker({ address, storeRoot, python, logFile }),
    );
  });
  await temporal.start();
  const connection = await Connection.connect({ address });
  await Promise.all(workers.map((worker) => worker.start()));
  return {
    storeRoot,
    client: new Client({ connection }),
    temporal,
    workers,
    async close() {
      await Promise.all(workers.map((worker) => worker.stop()));
      await connection.close();
      await temporal.stop();
    },
  };
}

function startWorker(options: {
  address: string;
  storeRoot: string;
  python: string;
  logFile: string;
}): Started {
  const { address, storeRoot, python, logFile } = options;
  const scripts = join(import.meta.dirname, '..');
  const log = openSync(logFile, 'a');
  const child = spawn(
    process.execPath,
    [
      ...['--import', join(scripts, 'setup', 'stop-with-parent.mjs'), join(scripts, 'cli.ts'), 'worker'],
      // Only for the end: what is killed has no time to stop anything.
      ...['--store', storeRoot, '--on-shutdown', 'stop', '--shutdown-grace-seconds', '1'],
    ],
    {
      cwd: join(scripts, '..'),
      stdio: ['ignore', log, log, 'ipc'],
      detached: true,
      env: {
        ...environmentOfLocalServer(address, process.env),
        SELF_TAUGHT_EVALUATOR_PYTHON: python,
        OMP_NUM_THREADS: '1',
      },
    },
  );
  closeSync(log);
  const gone = once(child, 'exit');
  return {
    pid: child.pid as number,
    gone,
    async stop() {
      child.kill('SIGTERM');
      await gone;
    },
  };
}
