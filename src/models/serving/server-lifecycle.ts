/** Starts, joins, replaces and removes the processes of model servers. The registry's locks order concurrent callers. */
import type { Environment } from '../inference/endpoint.ts';
import { makeFolders } from '../../platform/file-system.ts';
import { isPortFree, freePort } from '../../platform/ports.ts';
import { type DetachedProcess, endProcessGroup } from '../../platform/process-group.ts';
import { isSameProcessAlive, type ProcessIdentity } from '../../platform/process-identity.ts';
import { ServerFailed } from './errors.ts';
import type { ServerLog } from './monitor-server.ts';
import { serverEnvironment } from './drivers/server-environment.ts';
import { type ServerSpec, withAddress } from './drivers/server-spec.ts';
import { hideKey } from './drivers/server-key.ts';
import { hostAndPort, startServer, waitUntilReady } from './server-process.ts';
import { isSameProcess, type ServerEntry, type ServerRegistry } from './server-registry.ts';

export interface LifecycleOptions {
  readonly registry: ServerRegistry;
  readonly log: ServerLog;
  /** Commands run in this folder. */
  readonly packageRoot: string;
  readonly environment: Environment;
  /** The address at which servers listen and are reached. */
  readonly serveHost: string;
  /** Called with each process that is started or joined, and with its owners. */
  readonly onRunning?: (owners: readonly string[], process: ProcessIdentity) => Promise<void>;
  /** Ends waiting for a server; the server goes on starting. */
  readonly signal: AbortSignal;
}

export function serverLifecycle({
  registry,
  log,
  packageRoot,
  environment,
  serveHost,
  signal,
  onRunning,
}: LifecycleOptions) {
  /** Of two callers at once, the second waits for the lock and finds the process that the first has started. */
  async function joinOrStart(
    server: ServerSpec,
    model: string,
    label: string,
    owner: string,
  ): Promise<{ entry: ServerEntry; started?: DetachedProcess; isNewOwner: boolean }> {
    return registry.withLock(server.key, async () => {
      const existing = registry.read(server.key);
      const isNewOwner = existing?.owners.includes(owner) !== true;
      const owners = [...(existing?.owners ?? []), ...(isNewOwner ? [owner] : [])];
      if (
        existing !== undefined &&
        existing.failedReason === undefined &&
        existing.host === serveHost &&
        (await isSameProcessAlive(existing.process))
      ) {
        const entry = { ...existing, owners };
        registry.write(entry);
        await onRunning?.(owners, entry.process);
        return { entry, isNewOwner };
      }
      if (existing !== undefined) await endProcessGroup(existing.process, 0);
      const port =
        existing !== undefined && (await isPortFree(existing.port)) ? existing.port : await freePort();
      return { ...(await start({ ...server, host: serveHost, port, owners, model, label })), isNewOwner };
    });
  }

  /** The caller must hold the server's lock. */
  async function start(
    server: ServerSpec & Pick<ServerEntry, 'host' | 'port' | 'owners' | 'model' | 'label' | 'problem'>,
  ): Promise<{ entry: ServerEntry; started: DetachedProcess }> {
    const { adapterFolder } = server;
    // vLLM doesn't start without it.
    if (adapterFolder !== undefined) await makeFolders(adapterFolder);
    const started = await startServer({
      command: server.command,
      host: server.host,
      port: server.port,
      folder: packageRoot,
      environment: { ...serverEnvironment(environment, server), ...server.environment },
      logFile: registry.logFile(server.key),
    });
    const command = hideKey(withAddress(server.command, server).join(' '), server, environment);
    const place = `${hostAndPort(server)}; its log is ${registry.logFile(server.key)}`;
    log('info', `Model server ${server.key} (${server.label}) starts at ${place}. Command: ${command}`);
    const entry = { ...server, process: started.identity, startedAt: new Date().toISOString() };
    registry.write(entry);
    await onRunning?.(entry.owners, entry.process);
    return { entry, started };
  }

  /** Returns false if the process has been stopped or replaced in the meantime. */
  async function markReady(entry: ServerEntry, model: string, label = entry.label): Promise<boolean> {
    return registry.withLock(entry.key, async () => {
      const current = registry.read(entry.key);
      if (current === undefined || !isSameProcess(current, entry)) return false;
      const { problem: _, ...rest } = current;
      registry.write({ ...rest, model, label, readyAt: current.readyAt ?? new Date().toISOString() });
      return true;
    });
  }

  /** Ends a process that is useless after a failure. Returns whether the caller should try again, if it may (`again`). */
  async function removeFailed(entry: ServerEntry, error: unknown, again: boolean): Promise<boolean> {
    const reason = error instanceof ServerFailed ? error.reason : undefined;
    // With any other reason the server works, and only this model does not, or not with this key.
    if (reason !== 'exited' && reason !== 'health-timeout') return false;
    return registry.withLock(entry.key, async () => {
      const current = registry.read(entry.key);
      // Another caller has stopped or removed it.
      if (current === undefined) return false;
      if (!isSameProcess(current, entry)) return again;
      await endProcessGroup(current.process, 0);
      // A server that was ready before keeps its port, because clients know it; other entries are removed.
      if (current.readyAt === undefined || !again) registry.remove(entry.key);
      return again;
    });
  }

  /** Replaces a failed server by one on the same port, and waits until it serves. */
  async function restart(failed: ServerEntry, fault: string): Promise<void> {
    const replacement = await registry.withLock(failed.key, async () => {
      const current = registry.read(failed.key);
      if (current === undefined || !isSameProcess(current, failed)) return undefined;
      const { key, model, port } = current;
      log('warn', `Model server ${key} (${model}): ${fault}; starting it again on port ${port}.`);
      await endProcessGroup(current.process, 0);
      const { readyAt: _, ...server } = current;
      // The reason why the last start failed says more than that its process is gone.
      const problem = current.readyAt === undefined ? (current.problem ?? fault) : fault;
      return start({ ...server, problem });
    });
    if (replacement === undefined) return;
    const { entry, started } = replacement;
    try {
      await waitUntilReady(entry, {
        model: entry.model,
        withinSeconds: entry.startTimeoutSeconds,
        ended: started.exited,
        logFile: registry.logFile(entry.key),
        ...{ environment, signal },
      });
    } catch (error) {
      if (!signal.aborted) await kill(entry);
      throw error;
    }
    if (!(await markReady(entry, entry.model))) return;
    log('info', `Model server ${entry.key} (${entry.model}) serves again on port ${entry.port}.`);
  }

  const kill = (entry: ServerEntry): Promise<void> => endProcessGroup(entry.process, 0);

  return { joinOrStart, markReady, removeFailed, restart, kill };
}
