/** Starts a server process, waits until it serves a model, and checks its health. */
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Environment } from '../inference/endpoint.ts';
import {
  AuthenticationFailed,
  type InferenceError,
  ModelNotFound,
  RequestRejected,
} from '../inference/errors.ts';
import { probeEndpoint } from '../inference/check-endpoints.ts';
import { withTimeout } from '../inference/timeout.ts';
import { fetchText } from '../../platform/bounded-text.ts';
import { type DetachedProcess, endOf, startDetached } from '../../platform/process-group.ts';
import { isSameProcessAlive } from '../../platform/process-identity.ts';
import { isLoopback } from './serve-host.ts';
import { namesHost, WAIT_PREFIX, withAddress } from './drivers/server-spec.ts';
import { ServerFailed, type ServerFailureReason } from './errors.ts';
import { hideKey, serverKey } from './drivers/server-key.ts';
import { beginLog, boundLog, lastLogLine, logEnd } from './server-log.ts';
import type { ServerEntry } from './server-registry.ts';

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

/** Starts the command. Throws `ServerFailed` (`spawn-failed`) if the system can't run it. */
export async function startServer(options: {
  command: readonly string[];
  host: string;
  port: number;
  folder: string;
  environment: Environment;
  logFile: string;
}): Promise<DetachedProcess> {
  const { logFile, folder, environment } = options;
  const command = withAddress(options.command, options);
  beginLog(logFile, `starts at ${hostAndPort(options)}`);
  try {
    return await startDetached({ command, folder, environment, logFile });
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    const shown = hideKey(command.join(' '), { command }, environment);
    const message = `The server command can't be started: ${reason}. Command: ${shown}. Folder: ${folder}.`;
    throw new ServerFailed('spawn-failed', message, { command });
  }
}

/** Whether the health path answers successfully within the timeout. */
export async function isHealthy(
  server: Pick<ServerEntry, 'host' | 'port' | 'healthPath'>,
  timeoutSeconds: number,
): Promise<boolean> {
  try {
    const url = `${urlOf(server)}${server.healthPath}`;
    return (await withTimeout(timeoutSeconds, undefined, (signal) => fetchText(url, { signal }))).ok;
  } catch {
    return false;
  }
}

/** Sends the model a request for one token, with the server's key. Returns its error, if it fails. */
export async function probeModel(
  server: ServerEntry,
  model: string,
  options: { readonly environment: Environment; readonly timeoutSeconds: number },
): Promise<InferenceError | undefined> {
  const key = serverKey(server, options.environment);
  return probeEndpoint({ baseUrl: baseUrlOf(server), model, ...key }, options);
}

/**
 * Waits until the server is healthy and the model has answered one request. Throws `ServerFailed` if the process ends,
 * the time is over, or the server doesn't have the model or refuses the request; throws the signal's reason if the signal aborts.
 */
export async function waitUntilReady(
  entry: ServerEntry,
  options: {
    model: string;
    withinSeconds: number;
    /** The end of the process with its exit code, if this process has started it. */
    ended?: DetachedProcess['exited'] | undefined;
    logFile: string;
    /** Contains the server's key, if it is in a variable. */
    environment: Environment;
    signal?: AbortSignal;
    /** Called with the reason why the server waits, as it has printed it (`WAIT_PREFIX`); undefined if it doesn't. */
    onWait?: ((reason: string | undefined) => void) | undefined;
  },
): Promise<void> {
  const { model, withinSeconds, logFile, environment, signal, onWait } = options;
  const command = withAddress(entry.command, entry);
  const fail = (reason: ServerFailureReason, what: string, exitCode?: number): ServerFailed => {
    // A summary of a long message keeps its beginning and its end.
    const text = `${what} Log: ${logFile}. Command: ${command.join(' ')}.${logEnd(logFile)}`;
    return new ServerFailed(reason, hideKey(text, entry, environment), { command, exitCode });
  };
  const deadline = performance.now() + withinSeconds * 1000;
  let healthy = false;
  let problem = `${urlOf(entry)}${entry.healthPath} doesn't answer`;

  for (let pause = 50; ; pause = Math.min(pause * 1.5, 1000)) {
    signal?.throwIfAborted();
    if (!(await isSameProcessAlive(entry.process))) {
      const exit = await endOf(options.ended, 1000);
      const exitText = exit === undefined ? '' : ` with ${exit.signal ?? `exit code ${exit.code}`}`;
      throw fail('exited', `The server ended${exitText} before it was ready.`, exit?.code ?? undefined);
    }
    const remainingSeconds = (deadline - performance.now()) / 1000;
    if (remainingSeconds <= 0) {
      const what = `The server wasn't ready within ${withinSeconds} s: ${problem}${hostHint(entry)}.`;
      throw fail(healthy ? 'model-not-ready' : 'health-timeout', what);
    }
    if (await isHealthy(entry, Math.min(remainingSeconds, 5))) {
      healthy = true;
      const timeoutSeconds = Math.max(remainingSeconds, 1);
      const error = await untilAborted(probeModel(entry, model, { environment, timeoutSeconds }), signal);
      if (error === undefined) return;
      if (error instanceof ModelNotFound) throw fail('model-not-ready', error.message);
      if (error instanceof RequestRejected || error instanceof AuthenticationFailed)
        throw fail('refused', `The server refuses the first short request: ${error.message}`);
      problem = error.message;
    }
    onWait?.(waitReason(logFile));
    boundLog(logFile);
    await sleep(pause, undefined, signal === undefined ? {} : { signal }).catch(() => undefined);
  }
}

/** Rejects with the signal's reason when it aborts; nobody waits for the work then. */
async function untilAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return work;
  const stop = new AbortController();
  const aborted = once(signal, 'abort', { signal: stop.signal }).then(() => signal.throwIfAborted());
  aborted.catch(() => undefined);
  try {
    signal.throwIfAborted();
    return (await Promise.race([work, aborted])) as T;
  } finally {
    stop.abort();
  }
}

/** A server whose command doesn't say where to listen often listens only at loopback. */
function hostHint({ command, host }: ServerEntry): string {
  return isLoopback(host) || namesHost(command)
    ? ''
    : `; the command doesn't contain {host}, so the server may not listen at ${host}`;
}

function waitReason(logFile: string): string | undefined {
  const last = lastLogLine(logFile);
  return last?.startsWith(WAIT_PREFIX) === true ? last.slice(WAIT_PREFIX.length) : undefined;
}
