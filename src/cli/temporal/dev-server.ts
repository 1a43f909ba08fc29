import { spawn, type ChildProcess } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Connection } from '@temporalio/client';
import {
  identifyProcess,
  isSameProcessAlive,
  type ProcessIdentity,
} from '../../platform/process-identity.ts';
import { acceptsConnections, freePort, isPortFree } from '../../platform/ports.ts';
import { ownEnvironment } from '../../platform/process-environment.ts';
import { searchAttributeTypes } from '../../temporal/search-attributes.ts';
import { writeDevServerProof } from '../../temporal/own-dev-server.ts';
import { CommandError } from '../core/command-error.ts';
import { printError } from '../core/output.ts';
import { PROGRAM_CALL } from '../../platform/program.ts';
import { type HttpApi, serveHttpApi } from './http-api.ts';
import { PORT_SETTINGS } from './ports.ts';
import { SetupError } from '../../platform/setup-error.ts';
import { ensureTemporalCli } from '../setup/temporal-cli.ts';

/** The ports that the development server listens on, all on 127.0.0.1. */
export interface DevServerPorts {
  /** gRPC, for workers, clients and the CLI. */
  grpc: number;
  /** The Web UI. */
  ui: number;
  /** The HTTP API for programs; undefined: off. */
  http?: number | undefined;
}

/** The default database of the development server, in the current folder. */
export const DATABASE_FILE = resolve('.temporal', 'temporal.db');

const HOST = '127.0.0.1';
const START_MS = 60_000;
const STOP_MS = 10_000;

/** A running development server. */
export interface DevServer {
  /** Host and port for clients. */
  address: string;
  uiUrl: string;
  /** Undefined if the HTTP API is off. */
  httpUrl: string | undefined;
  pid: number | undefined;
  /** Resolves when the server has exited, with its exit code, or null after a signal. */
  ended: Promise<number | null>;
  /** Stops the server and waits until it has exited. */
  stop(): Promise<void>;
}

/** Options of {@link startDevServer}. */
export interface DevServerOptions {
  /** Those of the environment by default. */
  ports?: DevServerPorts;
  /** {@link DATABASE_FILE} by default. The server's log is `server.log` in the same folder. */
  databaseFile?: string;
  /** Gives runs the workers of a queue in turn, by their fairness keys; true by default. */
  fairness?: boolean;
  /** The address of the codec server that the Web UI uses. */
  codecEndpoint?: string | undefined;
}

/**
 * The ports: by option, else by environment variable, else the default. Throws CommandError that names a value that is not
 * a port.
 */
export function devServerPorts(
  environment: NodeJS.ProcessEnv,
  options: Partial<Record<string, string | undefined>> = {},
): DevServerPorts {
  const port = <Default extends number | undefined>({
    option,
    variable,
    defaultPort,
  }: {
    readonly option: string;
    readonly variable: string;
    readonly defaultPort: Default;
  }): number | Default => {
    const text = options[option] ?? (environment[variable] || undefined);
    if (text === undefined) return defaultPort;
    if (/^\d+$/.test(text) && Number(text) >= 1 && Number(text) <= 65_535) return Number(text);
    throw new CommandError(
      'usage',
      `--${option} or ${variable} is "${text}", but must be a port from 1 to 65535.`,
    );
  };
  return { grpc: port(PORT_SETTINGS.grpc), ui: port(PORT_SETTINGS.ui), http: port(PORT_SETTINGS.http) };
}

/** Returns whether a Temporal server answers at the address (host and port) within two seconds. */
export async function isTemporalReachable(address: string): Promise<boolean> {
  const { hostname, port } = new URL(`http://${address}`);
  // Without a listener gRPC would retry until its timeout.
  if (!(await acceptsConnections(hostname, Number(port)))) return false;
  try {
    const connection = await Connection.connect({ address, connectTimeout: 2_000 });
    await connection.close();
    return true;
  } catch {
    return false;
  }
}

/**
 * Throws SetupError if one of the ports is in use: which one, by what if that is known, and how to choose another.
 */
export async function requireFreePorts(ports: DevServerPorts): Promise<void> {
  for (const key of ['grpc', 'ui', 'http'] as const) {
    const port = ports[key];
    if (port === undefined || (await isPortFree(port))) continue;
    const { name, option, variable } = PORT_SETTINGS[key];
    const holder =
      key === 'grpc' && (await isTemporalReachable(`${HOST}:${port}`))
        ? `a Temporal server already answers on ${HOST}:${port}. Use that one, or stop it.`
        : 'another program listens there.';
    throw new SetupError(
      `Port ${port} for the ${name} is in use: ${holder}\n` +
        `To use another port: ${PROGRAM_CALL} temporal --${option} ${port + 1}, or set ${variable}.`,
    );
  }
}

/**
 * Starts the development server with a database file, so that runs continue after the next start, and waits until it
 * answers. Throws SetupError if a port is in use or the server does not start.
 *
 * The server has its own process group, so that Ctrl-C in the terminal does not stop it before a worker that is still
 * stopping. The caller must call `stop`.
 */
export async function startDevServer(options: DevServerOptions = {}): Promise<DevServer> {
  const {
    ports = devServerPorts(process.env),
    databaseFile: dbFile = DATABASE_FILE,
    codecEndpoint,
  } = options;
  if (/[?#%]/.test(basename(dbFile)))
    throw new SetupError(
      `The Temporal server can't open the database ${dbFile}: its name must not have "?", "#" or "%". Name another file with ` +
        '--db-filename.',
    );
  const cli = await ensureTemporalCli();
  await requireFreePorts(ports);
  mkdirSync(dirname(dbFile), { recursive: true });
  await requireFreeDatabase(dbFile);
  const logFile = join(dirname(dbFile), 'server.log');
  const log = openSync(logFile, 'w');
  // The server puts the name into an address, in which `?`, `#` and `%` of a folder would have a meaning.
  const files = ['--db-filename', basename(dbFile), '--log-level', 'warn'];
  const httpApi = { port: await freePort(), host: `${randomUUID()}.invalid` };
  const addresses = [
    '--ip',
    HOST,
    '--port',
    `${ports.grpc}`,
    '--ui-port',
    `${ports.ui}`,
    '--http-port',
    `${httpApi.port}`,
    // The server has no option that turns its HTTP API off.
    '--dynamic-config-value',
    `frontend.httpAllowedHosts=${JSON.stringify([httpApi.host])}`,
  ];
  const attributes = searchAttributeTypes.flatMap(({ name, type }) => [
    '--search-attribute',
    `${name}=${type}`,
  ]);
  const fairness = ['--dynamic-config-value', `matching.enableFairness=${options.fairness ?? true}`];
  const codec = codecEndpoint === undefined ? [] : ['--ui-codec-endpoint', codecEndpoint];
  const child = spawn(
    resolve(cli),
    ['server', 'start-dev', ...files, ...addresses, ...attributes, ...fairness, ...codec],
    {
      cwd: dirname(dbFile),
      stdio: ['ignore', log, log],
      env: ownEnvironment(),
      detached: true,
    },
  );
  closeSync(log);
  // A second Ctrl-C ends this process before it has stopped the server.
  const endWithProcess = () => child.kill('SIGTERM');
  process.once('exit', endWithProcess);
  const ended = new Promise<number | null>((resolve) => {
    child.on('error', () => resolve(null)).on('exit', (code) => resolve(code));
  });
  void ended.then(() => process.off('exit', endWithProcess));
  const identity = child.pid === undefined ? undefined : await identifyProcess(child.pid);
  if (child.pid !== undefined) writeFileSync(processFileOf(dbFile), JSON.stringify(identity) ?? '');
  let served: HttpApi | undefined;
  const server: DevServer = {
    address: `${HOST}:${ports.grpc}`,
    uiUrl: `http://${HOST}:${ports.ui}`,
    httpUrl: ports.http === undefined ? undefined : `http://${HOST}:${ports.http}`,
    pid: child.pid,
    ended,
    async stop() {
      await served?.close();
      served = undefined;
      await stopDevServer(child, ended);
    },
  };
  try {
    await waitUntilReachable(server, logFile);
    if (identity !== undefined) await proveStart(server.address, ports.grpc, identity);
    if (ports.http !== undefined) served = await serveHttpApi(HOST, ports.http, httpApi);
  } catch (error) {
    await server.stop();
    throw error;
  }
  return server;
}

/** Lets workers of this checkout know that nobody else has started the server, so that they need no policy. */
async function proveStart(address: string, port: number, identity: ProcessIdentity): Promise<void> {
  const connection = await Connection.connect({ address });
  try {
    await writeDevServerProof(connection, { port, identity, environment: process.env });
  } catch (error) {
    printError(
      `Workers of this server need --policy: the file that says that it is yours can't be written (${String(error)}).`,
    );
  } finally {
    await connection.close();
  }
}

/**
 * Waits until the previous server on this database has exited, which may take longer than freeing its port: two servers on
 * one database break each other's transactions.
 */
async function requireFreeDatabase(dbFile: string): Promise<void> {
  const file = processFileOf(dbFile);
  if (!existsSync(file)) return;
  const content = readFileSync(file, 'utf8');
  // A crash may have truncated the file.
  if (!content.startsWith('{') || !content.endsWith('}')) return;
  const previous = JSON.parse(content) as ProcessIdentity;
  for (const deadline = Date.now() + 2 * STOP_MS; await isSameProcessAlive(previous); await sleep(100))
    if (Date.now() > deadline)
      throw new SetupError(
        `Another Temporal server (process ${previous.pid}) uses the database ${dbFile}: use that server, stop it, or name another ` +
          'file with --db-filename.',
      );
}

/** The file that identifies the process that serves the database. */
function processFileOf(dbFile: string): string {
  return `${dbFile}.process.json`;
}

async function waitUntilReachable({ address, ended }: DevServer, logFile: string): Promise<void> {
  const deadline = Date.now() + START_MS;
  const exited = ended.then(() => true);
  while (!(await isTemporalReachable(address))) {
    if ((await Promise.race([exited, sleep(100, false)])) || Date.now() > deadline) {
      const end = readFileSync(logFile, 'utf8').trim().split('\n').slice(-10).join('\n');
      throw new SetupError(`The Temporal server did not start. The end of ${logFile}:\n${end}`);
    }
  }
}

async function stopDevServer(child: ChildProcess, ended: Promise<number | null>): Promise<void> {
  child.kill('SIGTERM');
  const killer = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
  await ended;
  clearTimeout(killer);
}
