/** Starts a server process, waits until it serves a model, and checks its health. */
import { existsSync, readFileSync, renameSync, statSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { ModelNotFound } from '../inference/errors.ts';
import { probeEndpoint } from '../inference/check-endpoints.ts';
import { withTimeout } from '../inference/timeout.ts';
import { type DetachedProcess, startDetached } from '../../platform/process-group.ts';
import { isSameProcessAlive } from '../../platform/process-identity.ts';
import { isLoopback } from './serve-host.ts';
import { namesHost, WAIT_PREFIX, withAddress } from './drivers/server-spec.ts';
import { ServerFailed } from './errors.ts';
import type { ServerEntry } from './server-registry.ts';

type ServerAddress = Pick<ServerEntry, 'host' | 'port' | 'basePath' | 'healthPath'>;
type HostAndPort = Pick<ServerEntry, 'host' | 'port'>;

export function baseUrlOf(server: Pick<ServerEntry, 'host' | 'port' | 'basePath'>): string {
  return `${urlOf(server)}${server.basePath}`;
}

function urlOf(server: HostAndPort): string {
  return `http://${hostAndPort(server)}`;
}

export function hostAndPort({ host, port }: HostAndPort): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}

/** When a server starts, a log above this size is renamed to `.1`, and a new one begins. */
const MAX_LOG_BYTES = 10_000_000;

/** Starts the command. Throws `ServerFailed` (`spawn-failed`) if the system can't run it. */
export async function startServer(options: {
  command: readonly string[];
  host: string;
  port: number;
  folder: string;
  environment: Readonly<Record<string, string | undefined>>;
  logFile: string;
}): Promise<DetachedProcess> {
  const { logFile, folder, environment } = options;
  if (existsSync(logFile) && statSync(logFile).size > MAX_LOG_BYTES) renameSync(logFile, `${logFile}.1`);
  const command = withAddress(options.command, options);
  try {
    return await startDetached({ command, folder, environment, logFile });
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    const message = `The server command can't be started: ${reason}. Command: ${command.join(' ')}. Folder: ${folder}.`;
    throw new ServerFailed('spawn-failed', message, { command });
  }
}

/** Whether the health path answers successfully within the timeout. */
export async function isHealthy(
  server: Omit<ServerAddress, 'basePath'>,
  timeoutSeconds: number,
): Promise<boolean> {
  try {
    const url = `${urlOf(server)}${server.healthPath}`;
    return await withTimeout(timeoutSeconds, undefined, async (signal) => {
      const response = await fetch(url, { signal });
      await response.text();
      return response.ok;
    });
  } catch {
    return false;
  }
}

/** Sends the model a request for one token. Returns its error, if it fails. */
export async function probeModel(server: ServerAddress, model: string, timeoutSeconds: number) {
  return probeEndpoint({ baseUrl: baseUrlOf(server), model }, { environment: {}, timeoutSeconds });
}

/**
 * Waits until the server is healthy and the model has answered one request. Throws `ServerFailed` if the process ends,
 * the time is over, or the server doesn't have the model; throws the signal's reason if the signal aborts.
 */
export async function waitUntilReady(
  entry: ServerEntry,
  options: {
    model: string;
    withinSeconds: number;
    /** The end of the process with its exit code, if this process has started it. */
    ended?: DetachedProcess['exited'] | undefined;
    logFile: string;
    signal?: AbortSignal;
    /** Called with the reason why the server waits, as it has printed it (`WAIT_PREFIX`); undefined if it doesn't. */
    onWait?: ((reason: string | undefined) => void) | undefined;
  },
): Promise<void> {
  const { model, withinSeconds, logFile, signal, onWait } = options;
  const command = withAddress(entry.command, entry);
  const shown = `Command: ${command.join(' ')}. Log: ${logFile}`;
  const deadline = performance.now() + withinSeconds * 1000;
  let exit: { code: number | null; signal: NodeJS.Signals | null } | undefined;
  void options.ended?.then((ended) => (exit = ended));
  let healthy = false;
  let problem = `${urlOf(entry)}${entry.healthPath} doesn't answer`;

  for (let pause = 50; ; pause = Math.min(pause * 1.5, 1000)) {
    signal?.throwIfAborted();
    if (!(await isSameProcessAlive(entry.process))) {
      await Promise.race([options.ended, sleep(100)]);
      const exitText = exit === undefined ? '' : ` with ${exit.signal ?? `exit code ${exit.code}`}`;
      const message = `The server ended${exitText} before it was ready. ${shown}${lastLines(logFile)}`;
      throw new ServerFailed('exited', message, { command, exitCode: exit?.code ?? undefined });
    }
    const remainingSeconds = (deadline - performance.now()) / 1000;
    if (remainingSeconds <= 0) {
      const message = `The server wasn't ready within ${withinSeconds} s: ${problem}${hostHint(entry)}. ${shown}${lastLines(logFile)}`;
      throw new ServerFailed(healthy ? 'model-not-ready' : 'health-timeout', message, { command });
    }
    if (await isHealthy(entry, Math.min(remainingSeconds, 5))) {
      healthy = true;
      const error = await probeModel(entry, model, Math.max(remainingSeconds, 1));
      if (error === undefined) return;
      if (error instanceof ModelNotFound) {
        throw new ServerFailed('model-not-ready', `${error.message} ${shown}`, { command });
      }
      problem = error.message;
    }
    onWait?.(waitReason(logFile));
    await sleep(pause);
  }
}

/** A server whose command doesn't say where to listen often listens only at loopback. */
function hostHint({ command, host }: ServerEntry): string {
  return isLoopback(host) || namesHost(command)
    ? ''
    : `; the command doesn't contain {host}, so the server may not listen at ${host}`;
}

function lastLines(logFile: string): string {
  const lines = linesOf(logFile).slice(-15);
  return lines.length === 0 ? '' : `, whose last lines are:\n${lines.join('\n')}`;
}

function waitReason(logFile: string): string | undefined {
  const last = linesOf(logFile).at(-1);
  return last?.startsWith(WAIT_PREFIX) === true ? last.slice(WAIT_PREFIX.length) : undefined;
}

function linesOf(logFile: string): string[] {
  try {
    return readFileSync(logFile, 'utf8').trimEnd().split('\n');
  } catch {
    return [];
  }
}
