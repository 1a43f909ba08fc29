import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Connection } from '@temporalio/client';
import { identifyProcess, isSameProcessAlive, type ProcessIdentity } from '../../src/processes/identity.ts';
import { searchAttributeTypes } from '../../src/search-attributes.ts';
import { CommandError } from '../cli/command-error.ts';
import { PORT_SETTINGS } from './port-settings.ts';
import { SetupError } from './setup-error.ts';
import { ensureTemporalCli } from './temporal-cli.ts';

/** What the development server listens on, all on 127.0.0.1. */
export interface DevServerPorts {
  /** gRPC, for workers, clients and the CLI. */
  grpc: number;
  /** The Web UI. */
  ui: number;
  /** The HTTP API. */
  http: number;
}

/** The file with the server's runs, in the checkout; git ignores its folder. */
export const DATABASE_FILE = join(import.meta.dirname, '..', '..', '.temporal', 'temporal.db');

const HOST = '127.0.0.1';
const START_MS = 60_000;
const STOP_MS = 10_000;

/** A development server that is up. */
export interface DevServer {
  /** Host and port for clients. */
  address: string;
  uiUrl: string;
  pid: number | undefined;
  /** Fulfilled with the exit code, or null, when the server has ended for whatever reason. */
  ended: Promise<number | null>;
  /** Stops the server, and is done when it has. */
  stop(): Promise<void>;
}

/** What {@link startTemporal} starts. */
export interface DevServerOptions {
  /** {@link portsFrom} the environment unless given. */
  ports?: DevServerPorts;
  /** {@link DATABASE_FILE} unless given. The server's log is `server.log` beside it. */
  dbFile?: string;
}

/**
 * The ports by option, else by environment variable, else the usual ones. Throws CommandError that names a value
 * which is no port.
 */
export function portsFrom(
  environment: NodeJS.ProcessEnv,
  options: Partial<Record<string, string | undefined>> = {},
): DevServerPorts {
  const port = ({ option, variable, usual }: (typeof PORT_SETTINGS)[keyof DevServerPorts]): number => {
    const given = options[option] ?? (environment[variable] || undefined);
    if (given === undefined) return usual;
    if (/^\d+$/.test(given) && Number(given) >= 1 && Number(given) <= 65_535) return Number(given);
    throw new CommandError(
      'usage',
      `--${option} or ${variable} is "${given}", and must be a port from 1 to 65535.`,
    );
  };
  return { grpc: port(PORT_SETTINGS.grpc), ui: port(PORT_SETTINGS.ui), http: port(PORT_SETTINGS.http) };
}

/** Whether a Temporal server answers at the address (host and port) within two seconds. */
export async function temporalAnswers(address: string): Promise<boolean> {
  const { hostname, port } = new URL(`http://${address}`);
  // gRPC would go on trying for the whole time where nobody listens.
  if (!(await accepts(hostname, Number(port)))) return false;
  try {
    const connection = await Connection.connect({ address, connectTimeout: 2_000 });
    await connection.close();
    return true;
  } catch {
    return false;
  }
}

/** Whether something accepts connections there. */
export function accepts(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, timeout: 1_000 });
    const end = (result: boolean) => {
      socket.destroy();
      resolve(result);
    };
    socket
      .on('connect', () => end(true))
      .on('timeout', () => end(false))
      .on('error', () => end(false));
  });
}

/**
 * Throws SetupError when one of the ports is taken: which, by what where that can be told, and what to set instead.
 */
export async function requireFreePorts(ports: DevServerPorts): Promise<void> {
  for (const key of ['grpc', 'ui', 'http'] as const) {
    const port = ports[key];
    if (await isPortFree(port)) continue;
    const { name, option, variable } = PORT_SETTINGS[key];
    const holder =
      key === 'grpc' && (await temporalAnswers(`${HOST}:${port}`))
        ? `a Temporal server already answers on ${HOST}:${port}. Use that one, or stop it.`
        : 'another program listens there.';
    throw new SetupError(
      `Port ${port} for the ${name} is in use: ${holder}\n` +
        `For another port: npm run temporal -- --${option} ${port + 1}, or set ${variable}.`,
    );
  }
}

/** Free for a new server: nobody accepts there, and it can be bound. */
export async function isPortFree(port: number): Promise<boolean> {
  if (await accepts(HOST, port)) return false;
  return await new Promise<boolean>((resolve) => {
    const server = createServer();
    server.on('error', () => resolve(false));
    server.listen({ port, host: HOST }, () => server.close(() => resolve(true)));
  });
}

/**
 * Starts the development server with a database file, so that a later start goes on with the same runs, and waits until
 * it answers. Throws SetupError when a port is taken or the server does not come up.
 *
 * The server has its own process group: a Ctrl-C in the terminal must not take it from under a worker that is still
 * stopping. Whoever starts it must call `stop`.
 */
export async function startTemporal(options: DevServerOptions = {}): Promise<DevServer> {
  const { ports = portsFrom(process.env), dbFile = DATABASE_FILE } = options;
  const cli = await ensureTemporalCli();
  await requireFreePorts(ports);
  mkdirSync(dirname(dbFile), { recursive: true });
  await requireFreeDatabase(dbFile);
  const logFile = join(dirname(dbFile), 'server.log');
  const log = openSync(logFile, 'w');
  const files = ['--db-filename', dbFile, '--log-level', 'warn'];
  const addresses = [
    '--ip',
    HOST,
    '--port',
    `${ports.grpc}`,
    '--ui-port',
    `${ports.ui}`,
    '--http-port',
    `${ports.http}`,
  ];
  const attributes = searchAttributeTypes.flatMap(({ name, type }) => [
    '--search-attribute',
    `${name}=${type}`,
  ]);
  const child = spawn(cli, ['server', 'start-dev', ...files, ...addresses, ...attributes], {
    stdio: ['ignore', log, log],
    detached: true,
  });
  closeSync(log);
  const ended = new Promise<number | null>((resolve) => {
    child.on('error', () => resolve(null)).on('exit', (code) => resolve(code));
  });
  if (child.pid !== undefined)
    writeFileSync(processFileOf(dbFile), JSON.stringify(await identifyProcess(child.pid)) ?? '');
  const server: DevServer = {
    address: `${HOST}:${ports.grpc}`,
    uiUrl: `http://${HOST}:${ports.ui}`,
    pid: child.pid,
    ended,
    stop: () => stop(child, ended),
  };
  try {
    await untilUp(server, logFile);
  } catch (error) {
    await server.stop();
    throw error;
  }
  return server;
}

/**
 * Waits for the server before, which may be stopping still when its port is free already: two servers on one database
 * spoil each other's transactions, and neither works then.
 */
async function requireFreeDatabase(dbFile: string): Promise<void> {
  const file = processFileOf(dbFile);
  if (!existsSync(file)) return;
  const content = readFileSync(file, 'utf8');
  // A crash may have left nothing in it.
  if (!content.startsWith('{') || !content.endsWith('}')) return;
  const before = JSON.parse(content) as ProcessIdentity;
  for (const deadline = Date.now() + 2 * STOP_MS; await isSameProcessAlive(before); await sleep(100))
    if (Date.now() > deadline)
      throw new SetupError(
        `Another Temporal server (process ${before.pid}) has the database ${dbFile}: use that server, stop it, or name another ` +
          'file by --db-filename.',
      );
}

/** Who serves the database. */
function processFileOf(dbFile: string): string {
  return `${dbFile}.process.json`;
}

async function untilUp({ address, ended }: DevServer, logFile: string): Promise<void> {
  const deadline = Date.now() + START_MS;
  const gone = ended.then(() => true);
  while (!(await temporalAnswers(address))) {
    if ((await Promise.race([gone, sleep(100, false)])) || Date.now() > deadline) {
      const end = readFileSync(logFile, 'utf8').trim().split('\n').slice(-10).join('\n');
      throw new SetupError(`The Temporal server did not start. The end of ${logFile}:\n${end}`);
    }
  }
}

async function stop(child: ChildProcess, ended: Promise<number | null>): Promise<void> {
  child.kill('SIGTERM');
  const killer = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
  await ended;
  clearTimeout(killer);
}
