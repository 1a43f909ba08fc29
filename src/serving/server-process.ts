/** One server process: starting it, waiting until it can serve a model, asking whether it still does. */
import { existsSync, readFileSync, renameSync, statSync } from 'node:fs';
import { createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { ModelNotFound } from '../inference/errors.ts';
import { askOneToken } from '../inference/endpoint-models.ts';
import { withTimeout } from '../inference/timeout.ts';
import { type DetachedProcess, startDetached } from '../processes/group.ts';
import { isSameProcessAlive } from '../processes/identity.ts';
import { commandWithPort } from './drivers.ts';
import { ServerFailed } from './errors.ts';
import type { ServerEntry } from './registry.ts';

type Addressed = Pick<ServerEntry, 'host' | 'port' | 'basePath' | 'healthPath'>;

export function baseUrlOf({ host, port, basePath }: Pick<ServerEntry, 'host' | 'port' | 'basePath'>): string {
  return `http://${urlHost(host)}:${port}${basePath}`;
}

function urlHost(host: string): string {
  return host.includes(':') ? `[${host}]` : host;
}

/** A log that has grown beyond this is kept as `.1`, and a new one begun, when the server is started again. */
const longestLogBytes = 10_000_000;

/**
 * What a server sees of its worker's environment: all but the keys of Temporal and of endpoints. Any program may be
 * the server, so that nobody could list what it needs; `VLLM_API_KEY` is its own.
 */
export function serverEnvironment(
  environment: Readonly<Record<string, string | undefined>>,
): Record<string, string | undefined> {
  const isWithheld = (name: string) =>
    name.startsWith('TEMPORAL_') || (name.endsWith('API_KEY') && name !== 'VLLM_API_KEY');
  return Object.fromEntries(Object.entries(environment).filter(([name]) => !isWithheld(name)));
}

/** Starts the command. Throws `ServerFailed` (`not-startable`) where the system can't. */
export async function startServer(options: {
  command: readonly string[];
  port: number;
  folder: string;
  environment: Readonly<Record<string, string | undefined>>;
  logFile: string;
}): Promise<DetachedProcess> {
  const { logFile, folder, environment } = options;
  if (existsSync(logFile) && statSync(logFile).size > longestLogBytes) renameSync(logFile, `${logFile}.1`);
  const command = commandWithPort(options.command, options.port);
  try {
    return await startDetached({ command, folder, environment, logFile });
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    const message = `The server command can't be started: ${why}. Command: ${command.join(' ')}. Folder: ${folder}.`;
    throw new ServerFailed('not-startable', message, { command });
  }
}

/** Whether the health path answers with success within the time, in seconds. */
export async function isHealthy(server: Addressed, timeoutSeconds: number): Promise<boolean> {
  try {
    const url = `http://${urlHost(server.host)}:${server.port}${server.healthPath}`;
    return await withTimeout(timeoutSeconds, undefined, async (signal) => {
      const response = await fetch(url, { signal });
      await response.text();
      return response.ok;
    });
  } catch {
    return false;
  }
}

/** Whether the model answers one request of one token; otherwise why not. */
export async function askModel(server: Addressed, model: string, timeoutSeconds: number) {
  return askOneToken({ baseUrl: baseUrlOf(server), model }, { environment: {}, timeoutSeconds });
}

/**
 * Waits until the server is healthy and the model has answered one request. Throws `ServerFailed` when the process ends,
 * or the time is over, or the server says that it doesn't have the model; the signal's reason when that aborts.
 */
export async function waitUntilReady(
  entry: ServerEntry,
  options: {
    model: string;
    withinSeconds: number;
    /** Known where this process started it: says the exit code. */
    ended?: DetachedProcess['ended'] | undefined;
    logFile: string;
    signal?: AbortSignal;
  },
): Promise<void> {
  const { model, withinSeconds, logFile, signal } = options;
  const command = commandWithPort(entry.command, entry.port);
  const shown = `Command: ${command.join(' ')}. Log: ${logFile}`;
  const deadline = performance.now() + withinSeconds * 1000;
  let exit: { code: number | null; signal: NodeJS.Signals | null } | undefined;
  void options.ended?.then((how) => (exit = how));
  let healthy = false;
  let problem = `${entry.healthPath} doesn't answer`;

  for (let pause = 50; ; pause = Math.min(pause * 1.5, 1000)) {
    signal?.throwIfAborted();
    if (!(await isSameProcessAlive(entry.process))) {
      await Promise.race([options.ended, sleep(100)]);
      const how = exit === undefined ? '' : ` with ${exit.signal ?? `exit code ${exit.code}`}`;
      const message = `The server ended${how} before it was ready. ${shown}${lastLines(logFile)}`;
      throw new ServerFailed('exited', message, { command, exitCode: exit?.code ?? undefined });
    }
    const left = (deadline - performance.now()) / 1000;
    if (left <= 0) {
      const message = `The server wasn't ready within ${withinSeconds} s: ${problem}. ${shown}${lastLines(logFile)}`;
      throw new ServerFailed(healthy ? 'model-unusable' : 'no-answer', message, { command });
    }
    if (await isHealthy(entry, Math.min(left, 5))) {
      healthy = true;
      const error = await askModel(entry, model, Math.max(left, 1));
      if (error === undefined) return;
      if (error instanceof ModelNotFound) {
        throw new ServerFailed('model-unusable', `${error.message} ${shown}`, { command });
      }
      problem = error.message;
    }
    await sleep(pause);
  }
}

function lastLines(logFile: string): string {
  try {
    const lines = readFileSync(logFile, 'utf8').trimEnd().split('\n').slice(-15);
    return `, whose last lines are:\n${lines.join('\n')}`;
  } catch {
    return '';
  }
}

/** A port that nothing listens on now. */
export async function findFreePort(): Promise<number> {
  const port = await listenOnce(0);
  if (port === undefined) throw new Error('this machine has no free port');
  return port;
}

export async function isPortFree(port: number): Promise<boolean> {
  return (await listenOnce(port)) !== undefined;
}

function listenOnce(port: number): Promise<number | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(undefined));
    server.listen(port, () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : undefined));
    });
  });
}
