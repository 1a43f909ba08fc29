/** A PostgreSQL server with the databases of Temporal servers. */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chownSync, closeSync, existsSync, globSync, openSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { commandOutput } from '../../src/platform/process-identity.ts';
import { freePorts } from '../../src/platform/ports.ts';
import type { TemporalDatabase } from './released-server.ts';

const run = promisify(execFile);
const HOST = '127.0.0.1';
const USER = 'postgres';

/** The folder of PostgreSQL's programs; undefined if it is not installed. */
export function findPostgres(): string | undefined {
  const folders = globSync('/usr/lib/postgresql/*/bin').sort().toReversed();
  return folders.find((folder) => existsSync(join(folder, 'initdb')));
}

/** Starts PostgreSQL in a temporary folder, and creates the two databases of Temporal with their tables. */
export async function startPostgres(programs: string, sqlTool: string) {
  const data = await mkdtemp(join(tmpdir(), 'postgres-'));
  const [port = 0] = await freePorts(1);
  // PostgreSQL refuses to run as root.
  const asUser = process.getuid?.() === 0 ? ownedByPostgres(data) : [];
  const [program, ...before] = [...asUser, join(programs, 'initdb')];
  await run(program, [...before, '-D', data, '-A', 'trust', '-U', USER, '--no-sync'], { cwd: data });
  const logFile = join(data, 'server.log');
  const log = openSync(logFile, 'w');
  const [server, ...serverArguments] = [...asUser, join(programs, 'postgres')];
  const child = spawn(
    server,
    [
      ...[...serverArguments, '-D', data, '-p', String(port), '-c', `listen_addresses=${HOST}`],
      ...['-c', `unix_socket_directories=${data}`, '-c', 'max_connections=200'],
    ],
    { cwd: data, stdio: ['ignore', log, log] },
  );
  closeSync(log);
  const exited = once(child, 'exit');
  const isReady = () =>
    run(join(programs, 'pg_isready'), ['-q', '-h', HOST, '-p', String(port)]).then(
      () => true,
      () => false,
    );
  while (!(await isReady())) {
    if (child.exitCode !== null)
      throw new Error(`PostgreSQL did not start:\n${readFileSync(logFile, 'utf8').slice(-2000)}`);
    await sleep(50);
  }
  for (const name of ['temporal', 'visibility'])
    await createTables(sqlTool, port, name, `postgresql/v12/${name}`);
  return {
    database: { historyShards: 8, store: (name) => storeOf(port, name) } satisfies TemporalDatabase,
    async stop() {
      child.kill('SIGINT');
      await exited;
      await rm(data, { recursive: true });
    },
  };
}

/** Gives the folder to PostgreSQL's user. Returns the command that runs another one as this user. */
function ownedByPostgres(folder: string): string[] {
  const [uid, gid] = ['-u', '-g'].map((option) => Number(commandOutput('id', [option, USER])));
  chownSync(folder, uid as number, gid as number);
  return ['setpriv', '--reuid', USER, '--regid', USER, '--clear-groups'];
}

async function createTables(sqlTool: string, port: number, name: string, schema: string): Promise<void> {
  const tool = (...command: string[]) =>
    run(sqlTool, [
      ...['--plugin', 'postgres12', '--endpoint', HOST, '--port', String(port)],
      ...['--user', USER, '--password', 'unused', '--database', name, ...command],
    ]);
  await tool('create-database');
  await tool('setup-schema', '--version', '0.0');
  await tool('update-schema', '--schema-name', schema);
}

function storeOf(port: number, databaseName: string): object {
  return {
    sql: {
      ...{ pluginName: 'postgres12', databaseName, connectAddr: `${HOST}:${port}`, connectProtocol: 'tcp' },
      ...{ user: USER, password: 'unused', maxConns: 20, maxIdleConns: 20, maxConnLifetime: '1h' },
    },
  };
}
