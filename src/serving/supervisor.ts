/** Model servers under supervision: brought up under a name, shared, kept up, and stopped with their last owner. */
import { askEach } from '../inference/endpoint-models.ts';
import { endpointsOf, type Environment } from '../inference/endpoint.ts';
import { type DetachedProcess, endProcessGroup } from '../processes/group.ts';
import { isSameProcessAlive } from '../processes/identity.ts';
import {
  type CommandDriver,
  describeServer,
  fillIn,
  type ServerDescription,
  type ServingDriver,
} from './drivers.ts';
import { ServerFailed } from './errors.ts';
import { isSameProcess, openRegistry, type ServerEntry } from './registry.ts';
import {
  baseUrlOf,
  findFreePort,
  isPortFree,
  serverEnvironment,
  startServer,
  waitUntilReady,
} from './server-process.ts';
import { defaultWatchSettings, type Log, watchServer, type WatchSettings } from './watch.ts';

export interface ServingRequest {
  driver: ServingDriver;
  /** Absolute path of a checkpoint folder, or a hub id. */
  checkpoint: string;
  runName: string;
  iteration: number;
  /** Who needs the server, until `stopServing` says otherwise. */
  owner: string;
}

export interface ServedModel {
  /** Several where others serve the same at more than one. */
  baseUrl: string | readonly string[];
  /** The name to ask for there. */
  model: string;
  /** Of the server process; absent where somebody else serves. */
  key?: string;
}

export interface ServerSupervisor {
  /**
   * Returns when the model answers. A server that does already is shared. Throws `ServerFailed`, and for an endpoint
   * of others what the inference client throws (inference/errors.ts).
   */
  ensureServing(request: ServingRequest): Promise<ServedModel>;
  /** Ends the owner's need of a server (all of its servers without a key), and the servers that nobody needs then. */
  stopServing(owner: string, key?: string): Promise<void>;
  /** Stops watching, and every server of this machine's state folder; the next worker starts those that are needed still. */
  stopAll(): Promise<void>;
  /**
   * For the start of a process: watches the servers that still have a living owner, and stops the others.
   * @param wanted its server stays whoever needed it, for `ensureServing` to find
   */
  adopt(wanted?: ServingRequest): Promise<void>;
  /** How many servers of this machine are in each state. */
  states(): Record<'starting' | 'ready' | 'given-up', number>;
  /** Stops watching; the servers stay up, for the next worker. */
  close(): Promise<void>;
}

export interface ServerSupervisorOptions {
  /** Of this machine alone, and shared by its worker processes. */
  stateFolder: string;
  log: Log;
  /** What `{python}`, `{storeRoot}`, `{packageRoot}` and `{cacheFolder}` stand for; commands run in `packageRoot`. */
  python: string;
  storeRoot: string;
  packageRoot: string;
  cacheFolder: string;
  /** For the servers, and for the keys of endpoints. */
  environment: Environment;
  /** Asked by `adopt`; without it every owner counts as alive. */
  isOwnerAlive?: (owner: string) => Promise<boolean>;
  /** Between SIGTERM and SIGKILL, in seconds. */
  stopGraceSeconds?: number;
  watch?: Partial<WatchSettings>;
}

export function createServerSupervisor(options: ServerSupervisorOptions): ServerSupervisor {
  const { stateFolder, log, environment, stopGraceSeconds = 10 } = options;
  const { python, storeRoot, packageRoot, cacheFolder } = options;
  const places = { python, storeRoot, packageRoot, cacheFolder };
  const settings: WatchSettings = { ...defaultWatchSettings, ...options.watch };
  const registry = openRegistry(stateFolder);
  const watches = new Map<string, Promise<void>>();
  const closing = new AbortController();

  const serverOf = (driver: CommandDriver, request: ServingRequest) =>
    describeServer(driver, { ...places, checkpoint: request.checkpoint, servedName: servedNameOf(request) });

  async function ensureServing(request: ServingRequest): Promise<ServedModel> {
    const { driver } = request;
    const model = servedNameOf(request);
    if (driver.kind === 'command') return serveByCommand(driver, model, request);
    const error = await askEach(endpointsOf(driver, model), {
      environment,
      timeoutSeconds: settings.requestTimeoutSeconds,
    });
    if (error !== undefined) throw error;
    return { baseUrl: driver.baseUrl, model };
  }

  async function serveByCommand(
    driver: CommandDriver,
    model: string,
    request: ServingRequest,
  ): Promise<ServedModel> {
    const { owner } = request;
    const server = serverOf(driver, request);
    const logFile = registry.logFile(server.key);
    for (let round = 1; ; round++) {
      const { entry, started, isNewOwner } = await joinOrStart(server, model, owner);
      // A server that served before may hang now: then watching replaces it, and the wait ends with the old one.
      if (entry.readyAt !== undefined) watch(server.key);
      try {
        await waitUntilReady(entry, {
          model,
          withinSeconds: server.startTimeoutSeconds,
          ended: started?.ended,
          logFile,
          signal: closing.signal,
        });
        if (!(await markReady(entry, model))) {
          throw new ServerFailed(
            'exited',
            `Somebody stopped the server for ${model} while it started.`,
            entry,
          );
        }
        watch(server.key);
        return { baseUrl: baseUrlOf(entry), model, key: server.key };
      } catch (error) {
        // When only this worker ends, the server may go on starting: the next worker finds it.
        if (closing.signal.aborted) throw error;
        // A server that others started may be replaced once; so may ours, when its port was taken meanwhile.
        const again = round === 1 && (started === undefined || !(await isPortFree(entry.port)));
        if (await clearAway(entry, error, again)) continue;
        if (isNewOwner) await stopServing(owner, server.key);
        throw error;
      }
    }
  }

  /** Two callers at once: the lock makes the second find the process that the first started. */
  async function joinOrStart(
    server: ServerDescription,
    model: string,
    owner: string,
  ): Promise<{ entry: ServerEntry; started?: DetachedProcess; isNewOwner: boolean }> {
    return registry.locked(server.key, async () => {
      const known = registry.read(server.key);
      const isNewOwner = known?.owners.includes(owner) !== true;
      const owners = [...(known?.owners ?? []), ...(isNewOwner ? [owner] : [])];
      if (known !== undefined && known.gaveUp === undefined && (await isSameProcessAlive(known.process))) {
        const entry = { ...known, owners };
        registry.write(entry);
        return { entry, isNewOwner };
      }
      if (known !== undefined) await endProcessGroup(known.process, 0);
      const port = known !== undefined && (await isPortFree(known.port)) ? known.port : await findFreePort();
      return { ...(await start({ ...server, port, owners, model })), isNewOwner };
    });
  }

  /** Only under the server's lock. */
  async function start(
    server: ServerDescription & Pick<ServerEntry, 'port' | 'owners' | 'model'>,
  ): Promise<{ entry: ServerEntry; started: DetachedProcess }> {
    const started = await startServer({
      command: server.command,
      port: server.port,
      folder: packageRoot,
      environment: { ...serverEnvironment(environment), ...server.environment },
      logFile: registry.logFile(server.key),
    });
    const entry = { ...server, process: started.identity, startedAt: new Date().toISOString() };
    registry.write(entry);
    return { entry, started };
  }

  /** Returns false where the process has been stopped or replaced meanwhile. */
  async function markReady(entry: ServerEntry, model: string): Promise<boolean> {
    return registry.locked(entry.key, async () => {
      const current = registry.read(entry.key);
      if (current === undefined || !isSameProcess(current, entry)) return false;
      registry.write({ ...current, model, readyAt: current.readyAt ?? new Date().toISOString() });
      return true;
    });
  }

  /** After a failure: ends a process that is of no use to anybody. Returns whether to try `again`. */
  async function clearAway(entry: ServerEntry, error: unknown, again: boolean): Promise<boolean> {
    const reason = error instanceof ServerFailed ? error.reason : undefined;
    // Otherwise the server works, only this model doesn't.
    if (reason !== 'exited' && reason !== 'no-answer') return false;
    return registry.locked(entry.key, async () => {
      const current = registry.read(entry.key);
      // Stopped on purpose, or failed for the one who started it.
      if (current === undefined) return false;
      if (!isSameProcess(current, entry)) return again;
      await endProcessGroup(current.process, 0);
      // The port of a server that worked before is known to others and kept; any other is forgotten with its entry.
      if (current.readyAt === undefined || !again) registry.remove(entry.key);
      return again;
    });
  }

  function watch(key: string): void {
    if (watches.has(key) || closing.signal.aborted) return;
    const watching = watchServer({ key, registry, settings, log, restart, markReady, kill }, closing.signal)
      .catch((error: unknown) => log('error', `Model server ${key} is no longer watched: ${String(error)}`))
      .finally(() => watches.delete(key));
    watches.set(key, watching);
  }

  async function restart(failed: ServerEntry, fault: string): Promise<void> {
    const begun = await registry.locked(failed.key, async () => {
      const current = registry.read(failed.key);
      if (current === undefined || !isSameProcess(current, failed)) return undefined;
      const { key, model, port } = current;
      log('warn', `Model server ${key} (${model}): ${fault}; starting it again on port ${port}.`);
      await endProcessGroup(current.process, 0);
      const { readyAt: _, ...server } = current;
      return start(server);
    });
    if (begun === undefined) return;
    const { entry, started } = begun;
    try {
      await waitUntilReady(entry, {
        model: entry.model,
        withinSeconds: entry.startTimeoutSeconds,
        ended: started.ended,
        logFile: registry.logFile(entry.key),
        signal: closing.signal,
      });
    } catch (error) {
      if (!closing.signal.aborted) await kill(entry);
      throw error;
    }
    if (!(await markReady(entry, entry.model))) return;
    log('info', `Model server ${entry.key} (${entry.model}) serves again on port ${entry.port}.`);
  }

  const kill = (entry: ServerEntry): Promise<void> => endProcessGroup(entry.process, 0);

  async function stop(key: string, ownersAfter: (owners: string[]) => string[]): Promise<void> {
    await registry.locked(key, async () => {
      const entry = registry.read(key);
      if (entry === undefined) return;
      const owners = ownersAfter(entry.owners);
      if (owners.length > 0) {
        registry.write({ ...entry, owners });
        return;
      }
      // First the entry: whoever watches the server must not take its end for a failure.
      registry.remove(key);
      await endProcessGroup(entry.process, stopGraceSeconds);
    });
  }

  async function stopServing(owner: string, key?: string): Promise<void> {
    const keys =
      key === undefined
        ? registry
            .list()
            .filter((entry) => entry.owners.includes(owner))
            .map((entry) => entry.key)
        : [key];
    await Promise.all(keys.map((each) => stop(each, (owners) => owners.filter((other) => other !== owner))));
  }

  return {
    ensureServing,
    stopServing,
    async stopAll() {
      closing.abort();
      await Promise.all(watches.values());
      const end = async (key: string): Promise<void> => {
        const entry = registry.read(key);
        if (entry !== undefined) await endProcessGroup(entry.process, stopGraceSeconds);
      };
      await Promise.all(registry.list().map(({ key }) => registry.locked(key, () => end(key))));
    },
    async adopt(wanted) {
      const { isOwnerAlive = async () => true } = options;
      const wantedKey = wanted?.driver.kind === 'command' ? serverOf(wanted.driver, wanted).key : undefined;
      for (const { key, owners } of registry.list()) {
        if (key === wantedKey) continue;
        const alive = await Promise.all(
          owners.map(async (owner) => ((await isOwnerAlive(owner)) ? owner : undefined)),
        );
        const dead = owners.filter((owner) => !alive.includes(owner));
        await stop(key, (now) => now.filter((owner) => !dead.includes(owner)));
        if (registry.read(key) !== undefined) watch(key);
      }
    },
    states() {
      const counts = { starting: 0, ready: 0, 'given-up': 0 };
      for (const { readyAt, gaveUp } of registry.list()) {
        counts[gaveUp !== undefined ? 'given-up' : readyAt === undefined ? 'starting' : 'ready']++;
      }
      return counts;
    },
    async close() {
      closing.abort();
      await Promise.all(watches.values());
    },
  };
}

function servedNameOf({ driver, checkpoint, runName, iteration }: ServingRequest): string {
  return fillIn(driver.servedName, { checkpoint, runName, iteration: String(iteration) });
}
