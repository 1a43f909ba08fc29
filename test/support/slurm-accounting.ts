/** Accounts for a Slurm of slurm.ts: its database daemon on a MariaDB of its own. */
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { freePorts } from '../../src/platform/ports.ts';
import { untilIdle, whyNoSlurm, type SlurmCluster } from './slurm.ts';

const run = promisify(execFile);

/** As whyNoSlurm. */
export function whyNoAccounting(): string | undefined {
  return whyNoSlurm({
    slurmdbd: 'slurmdbd',
    'mariadb-server-core': 'mariadbd',
    'mariadb-client-core': 'mariadb',
  });
}

/** From now on a job needs an account that exists and has its user. Returns a function that ends the daemons. */
export async function startAccounting(cluster: SlurmCluster): Promise<() => Promise<void>> {
  const { folder, environment } = cluster;
  const munge = join(folder, 'socket', 'munge.sock');
  const [port, databasePort] = await freePorts(2);
  const database = await startDatabase(folder, String(databasePort));
  await writeFile(
    join(folder, 'slurmdbd.conf'),
    [
      ...['AuthType=auth/munge', `AuthInfo=socket=${munge}`, 'SlurmUser=root'],
      ...['DbdHost=localhost', `DbdPort=${port}`, `PidFile=${folder}/slurmdbd.pid`],
      ...['StorageType=accounting_storage/mysql', 'StorageHost=127.0.0.1', `StoragePort=${databasePort}`],
      ...['StorageUser=slurm', 'StoragePass=slurm', 'StorageLoc=slurm', ''],
    ].join('\n'),
    { mode: 0o600 },
  );
  const daemon = startDaemon(folder, ['slurmdbd', '-D'], environment);
  await cluster.killController();
  const text = await readFile(environment.SLURM_CONF, 'utf8');
  const lines = [
    'AccountingStorageType=accounting_storage/slurmdbd',
    ...['AccountingStorageHost=localhost', `AccountingStoragePort=${port}`, `AccountingStoragePass=${munge}`],
    'AccountingStorageEnforce=associations,limits,qos',
  ];
  await writeFile(
    environment.SLURM_CONF,
    text.replace('AccountingStorageType=accounting_storage/none', lines.join('\n')),
  );
  await untilDone(daemon, () => cluster.run('sacctmgr', '-i', 'add', 'cluster', 'test'));
  await cluster.startController();
  await untilIdle(cluster);
  return async () => {
    await end(daemon);
    await end(database);
  };
}

async function startDatabase(folder: string, port: string): Promise<ChildProcess> {
  const data = join(folder, 'database');
  const install = ['--user=root', `--datadir=${data}`, '--auth-root-authentication-method=normal'];
  await run('mariadb-install-db', install);
  const socket = join(folder, 'database.sock');
  const options = [`--datadir=${data}`, `--socket=${socket}`, `--port=${port}`, '--bind-address=127.0.0.1'];
  const database = startDaemon(folder, ['mariadbd', '--no-defaults', '--user=root', ...options], {});
  const grant = ['localhost', '127.0.0.1'].map(
    (host) => `create user slurm@'${host}' identified by 'slurm'; grant all on slurm.* to slurm@'${host}';`,
  );
  await untilDone(database, () =>
    run('mariadb', [`--socket=${socket}`, '-uroot', '-e', `create database slurm; ${grant.join(' ')}`]),
  );
  return database;
}

function startDaemon(folder: string, command: readonly string[], environment: object): ChildProcess {
  const log = openSync(join(folder, 'log', `${command[0]}.out`), 'a');
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', ...command], {
    stdio: ['ignore', log, log],
    env: { ...process.env, ...environment },
  });
  closeSync(log);
  return child;
}

/** Repeats a call while the daemon starts. */
async function untilDone(daemon: ChildProcess, call: () => Promise<unknown>): Promise<void> {
  for (;;) {
    try {
      await call();
      return;
    } catch (error) {
      if (daemon.exitCode !== null) throw error;
    }
    await sleep(200);
  }
}

async function end(daemon: ChildProcess): Promise<void> {
  if (daemon.exitCode !== null || daemon.signalCode !== null) return;
  const exited = once(daemon, 'exit');
  daemon.kill('SIGKILL');
  await exited;
}
