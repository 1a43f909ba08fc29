/**
 * Supervises the model servers of a machine: starts them, shares them between owners, restarts them after a failure, and
 * stops them when their last owner has released them.
 */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type ProbedRequest, probeEndpoints } from '../inference/check-endpoints.ts';
import type { ConnectionGuard } from '../inference/connection-guard.ts';
import { type EndpointAddresses, endpointsOf, type Environment } from '../inference/endpoint.ts';
import { endProcessGroup } from '../../platform/process-group.ts';
import type { ProcessIdentity } from '../../platform/process-identity.ts';
import { isPortFree } from '../../platform/ports.ts';
import { AdapterRefused, Unanswered } from './adapters/errors.ts';
import { offerAdapter } from './adapters/offer-adapter.ts';
import { adapterName, baseName, type TrainedAdapter } from './adapters/publish-adapter.ts';
import { type MachineDriver, servedModelNameOf, type ServingSettings } from './drivers/driver.ts';
import { servingDriverOf } from './drivers/registry.ts';
import type { ServerSpec } from './drivers/server-spec.ts';
import { ServerFailed } from './errors.ts';
import {
  DEFAULT_MONITOR_SETTINGS,
  type ServerLog,
  monitorServer,
  type MonitorSettings,
} from './monitor-server.ts';
import { serverLifecycle } from './server-lifecycle.ts';
import { placesOf, type ServedModelPlace } from './served-models.ts';
import { DEFAULT_SERVE_HOST } from './serve-host.ts';
import { hideKey, serverKey } from './drivers/server-key.ts';
import { baseUrlOf, waitUntilReady } from './server-process.ts';
import { openServerRegistry, type ServerEntry } from './server-registry.ts';

export interface ServingRequest {
  serving: ServingSettings;
  /** Absolute path of a checkpoint folder, or a hub id. */
  checkpoint: string;
  /** SHA-256 of the checkpoint's content, if it is known. */
  sha256?: string | undefined;
  /** The rank of the adapters that the run trains, if it trains any. */
  adapterRank?: number | undefined;
  /** Trained on the checkpoint, and served in place of it. Only for drivers with `adapters`. */
  adapter?: TrainedAdapter | undefined;
  runName: string;
  iteration: number;
  /** The model in messages; by default its name at the server. */
  label?: string;
  /** Keeps the server running until `stopServing` is called for this owner. */
  owner: string;
  /** Stops the owner's other servers before this one starts. */
  replacesOthers?: boolean;
  /** Variables of the server in addition to those of its settings, such as the GPUs that it sees. */
  environment?: Readonly<Record<string, string>>;
  /** The requests that will be sent to an endpoint, which are tried before. */
  requests?: readonly ProbedRequest[] | undefined;
  /** Called again and again until it is served, with the reason why it waits, if it does. */
  onWait?: (reason: string | undefined) => void;
  /** Ends the wait. */
  signal?: AbortSignal;
  /** Asked when the signal has aborted: whether a server that still starts is stopped, or goes on for the next attempt. Default: stop. */
  stopsOnAbort?: () => boolean;
}

/** How often a server that ends while it is given an adapter is waited for. */
const MAX_OFFERS = 3;

export interface ServedEndpoint extends EndpointAddresses {
  /** The model's name there. */
  model: string;
  /** Identifies the server process; undefined for an endpoint that exists already. */
  key?: string;
}

export interface ServerSupervisor {
  /**
   * Returns when the model answers. A server that is running already is shared.
   * @throws ServerFailed; for an endpoint the errors of the inference client (inference/errors.ts)
   */
  ensureServing(request: ServingRequest): Promise<ServedEndpoint>;
  /**
   * Releases an owner's server, or all of them without a key. Servers without an owner are stopped.
   */
  stopServing(owner: string, key?: string): Promise<void>;
  /** Stops monitoring and every server of the state folder. The next worker starts those that still have an owner. */
  stopAll(): Promise<void>;
  /**
   * Called when a process starts: monitors the servers that have a living owner, and stops the others, and those that
   * listen at another address than `serveHost`, which their owners then start again.
   * @param wanted its server is kept even without an owner, so that `ensureServing` can share it
   */
  recover(wanted?: ServingRequest): Promise<void>;
  /** Whether this machine serves a model at this base URL, or is about to do so again. */
  serves(baseUrl: string): boolean;
  /** Why the server at this base URL is started again; undefined if it is up. */
  problem(baseUrl: string): string | undefined;
  /** Lists where the servers of this machine listen, also those that have failed. */
  places(): { readonly host: string; readonly port: number }[];
  /** The models that this machine serves. */
  servedModels(): ServedModelPlace[];
  /** The number of this machine's servers in each state. */
  countByState(): Record<'starting' | 'ready' | 'failed', number>;
  /** Stops monitoring; the servers keep running for the next worker. */
  close(): Promise<void>;
}

export interface ServerSupervisorOptions {
  /** Belongs to this machine, and is shared by its worker processes. */
  stateFolder: string;
  log: ServerLog;
  /**
   * The values of `{python}`, `{storeRoot}` (the store's folder on this machine, with local copies if it is remote), `{packageRoot}` and
   * `{cacheFolder}`; commands run in `packageRoot`.
   */
  python: string;
  storeRoot: string;
  packageRoot: string;
  cacheFolder: string;
  /** The value of `{host}`: where servers listen, and under which address others reach them. Loopback by default. */
  serveHost?: string;
  /** Environment of the servers; also contains the keys of endpoints. */
  environment: Environment;
  /** Says which endpoints may be asked, with which keys; without it all. */
  guard?: ConnectionGuard | undefined;
  /** Called with each server process that this worker starts, joins or monitors, and with its owners. */
  onRunning?: (owners: readonly string[], process: ProcessIdentity) => Promise<void>;
  /** Called by `recover` with an owner that is dead. */
  onOwnerDead?: (owner: string) => Promise<void>;
  /** Called by `recover`; without it every owner counts as alive. */
  isOwnerAlive?: (owner: string) => Promise<boolean>;
  /** Time between SIGTERM and SIGKILL, in seconds. */
  stopGraceSeconds?: number;
  monitor?: Partial<MonitorSettings>;
  /** When a request of this process was last answered by a server, in milliseconds of `performance.now()`. */
  answeredAt?: (baseUrl: string) => number | undefined;
}

/** The name of the model that a server is started with. With adapters it doesn't follow from the run, because its judges share it. */
function loadedNameOf({ adapters }: MachineDriver, request: ServingRequest): string {
  const { serving, checkpoint, sha256 } = request;
  return adapters === undefined ? servedModelNameOf(serving, request) : baseName(checkpoint, sha256);
}

export function createServerSupervisor(options: ServerSupervisorOptions): ServerSupervisor {
  const { stateFolder, log, environment, stopGraceSeconds = 10, serveHost = DEFAULT_SERVE_HOST } = options;
  const { python, storeRoot, packageRoot, cacheFolder } = options;
  const settings: MonitorSettings = { ...DEFAULT_MONITOR_SETTINGS, ...options.monitor };
  const registry = openServerRegistry(stateFolder);
  const monitors = new Map<string, Promise<void>>();
  const closing = new AbortController();
  const { signal } = closing;
  const { onRunning, onOwnerDead } = options;
  const lifecycle = serverLifecycle({
    ...{ registry, log, packageRoot, environment, serveHost, signal },
    ...(onRunning === undefined ? {} : { onRunning }),
  });

  function serverOf(driver: MachineDriver, request: ServingRequest): ServerSpec {
    const { serving, checkpoint, adapterRank } = request;
    const servedModelName = loadedNameOf(driver, request);
    const adapters = { adapterRank, adapterRoot: join(stateFolder, 'adapters') };
    const places = { python, storeRoot, packageRoot, cacheFolder, ...adapters };
    const server = driver.server(serving, { ...places, checkpoint, servedModelName });
    return { ...server, environment: { ...server.environment, ...request.environment } };
  }

  async function ensureServing(request: ServingRequest): Promise<ServedEndpoint> {
    const { serving } = request;
    const driver = servingDriverOf(serving);
    if (driver.needsMachine) return ensureServer(driver, request);
    const model = servedModelNameOf(serving, request);
    const addresses = driver.addresses(serving);
    const error = await probeEndpoints(endpointsOf(addresses, model), {
      ...{ environment, guard: options.guard },
      timeoutSeconds: settings.probeTimeoutSeconds,
      requests: request.requests,
    });
    if (error !== undefined) throw error;
    return { ...addresses, model };
  }

  async function ensureServer(driver: MachineDriver, request: ServingRequest): Promise<ServedEndpoint> {
    const server = serverOf(driver, request);
    const loaded = loadedNameOf(driver, request);
    const { serving, adapter, owner, onWait, stopsOnAbort } = request;
    const model = adapter === undefined ? loaded : adapterName(servedModelNameOf(serving, request), adapter);
    const { label = model } = request;
    const logFile = registry.logFile(server.key);
    const ended = request.signal === undefined ? signal : AbortSignal.any([signal, request.signal]);
    if (request.replacesOthers === true) await stopOthers(owner, server.key);
    for (let attempt = 1; ; attempt++) {
      const { entry, started, isNewOwner } = await lifecycle.joinOrStart(server, loaded, label, owner);
      // A server that was ready before may hang now. Monitoring replaces it, which ends the wait for the old process.
      if (entry.readyAt !== undefined) startMonitor(server.key);
      try {
        await waitUntilReady(entry, {
          model: loaded,
          withinSeconds: server.startTimeoutSeconds,
          ended: started?.exited,
          ...{ logFile, environment, onWait, signal: ended },
        });
        if (!(await lifecycle.markReady(entry, loaded, label))) {
          throw new ServerFailed(
            'exited',
            `Somebody stopped the server for ${model} while it started.`,
            entry,
          );
        }
        startMonitor(server.key);
        if (adapter !== undefined) await offer(driver, request, adapter, entry, model);
        return { baseUrl: baseUrlOf(entry), model, key: server.key, ...serverKey(entry, environment) };
      } catch (error) {
        // If only this worker ends, the server may go on starting: the next worker finds it.
        if (signal.aborted) throw error;
        if (request.signal?.aborted === true) {
          const isStarting = registry.read(server.key)?.readyAt === undefined;
          if ((isStarting || isNewOwner) && stopsOnAbort?.() !== false) await stopServing(owner, server.key);
          throw error;
        }
        if (error instanceof ServerFailed && error.reason === 'unreachable' && attempt < MAX_OFFERS) continue;
        // One more attempt: if another worker started the server, or if its port was taken in the meantime.
        const again = attempt === 1 && (started === undefined || !(await isPortFree(entry.port)));
        if (await lifecycle.removeFailed(entry, error, again)) continue;
        if (isNewOwner) await stopServing(owner, server.key);
        throw error;
      }
    }
  }

  /** @throws ServerFailed */
  async function offer(
    driver: MachineDriver,
    { serving, checkpoint, signal: ended }: ServingRequest,
    adapter: TrainedAdapter,
    entry: ServerEntry,
    name: string,
  ): Promise<void> {
    if (driver.adapters === undefined || entry.adapterFolder === undefined)
      throw new RangeError(`${driver.noun} serves no adapters`);
    const endpoint = { baseUrl: baseUrlOf(entry), model: name, ...serverKey(entry, environment) };
    const place = { folder: entry.adapterFolder, logFile: registry.logFile(entry.key), base: checkpoint };
    try {
      await offerAdapter(driver.adapters, serving, adapter, {
        ...{ name, endpoint, environment, ...place },
        signal: ended === undefined ? signal : AbortSignal.any([signal, ended]),
      });
    } catch (error) {
      if (!(error instanceof AdapterRefused || error instanceof Unanswered)) throw error;
      const reason = error instanceof AdapterRefused ? error.reason : 'unreachable';
      throw new ServerFailed(reason, hideKey(error.message, entry, environment), entry);
    }
  }

  function startMonitor(key: string): void {
    if (monitors.has(key) || signal.aborted) return;
    const { answeredAt = () => undefined } = options;
    const watched = { key, registry, settings, log, environment, answeredAt };
    const monitor = monitorServer({ ...watched, ...lifecycle }, signal)
      .catch((error: unknown) => log('error', `Model server ${key} is no longer monitored: ${String(error)}`))
      .finally(() => monitors.delete(key));
    monitors.set(key, monitor);
  }

  async function stop(key: string, remainingOwners: (owners: string[]) => string[]): Promise<void> {
    await registry.withLock(key, async () => {
      const entry = registry.read(key);
      if (entry === undefined) return;
      const owners = remainingOwners(entry.owners);
      if (owners.length > 0) {
        registry.write({ ...entry, owners });
        return;
      }
      // The entry is removed first, so that no monitor takes the end of the server for a failure.
      registry.remove(key);
      await endProcessGroup(entry.process, stopGraceSeconds);
      if (entry.adapterFolder !== undefined) await rm(entry.adapterFolder, { recursive: true, force: true });
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
    await Promise.all(
      keys.map((ownedKey) => stop(ownedKey, (owners) => owners.filter((other) => other !== owner))),
    );
  }

  async function stopOthers(owner: string, keptKey: string): Promise<void> {
    const others = registry.list().filter(({ key, owners }) => key !== keptKey && owners.includes(owner));
    await Promise.all(others.map(({ key }) => stopServing(owner, key)));
  }

  async function close(): Promise<void> {
    closing.abort();
    await Promise.all(monitors.values());
  }

  return {
    ensureServing,
    stopServing,
    close,
    async stopAll() {
      await close();
      const end = async (key: string): Promise<void> => {
        const entry = registry.read(key);
        if (entry !== undefined) await endProcessGroup(entry.process, stopGraceSeconds);
      };
      await Promise.all(registry.list().map(({ key }) => registry.withLock(key, () => end(key))));
    },
    async recover(wanted) {
      const { isOwnerAlive = async () => true } = options;
      const wantedDriver = wanted && servingDriverOf(wanted.serving);
      const wantedKey =
        wanted !== undefined && wantedDriver?.needsMachine === true
          ? serverOf(wantedDriver, wanted).key
          : undefined;
      for (const { key, owners, host, model } of registry.list()) {
        if (key === wantedKey) continue;
        if (host !== serveHost) {
          log(
            'info',
            `Model server ${key} (${model}) is stopped: it listens at ${host}, and from now on at ${serveHost}.`,
          );
          await stop(key, () => []);
          continue;
        }
        const alive = await Promise.all(
          owners.map(async (owner) => ((await isOwnerAlive(owner)) ? owner : undefined)),
        );
        const dead = owners.filter((owner) => !alive.includes(owner));
        await stop(key, (current) => current.filter((owner) => !dead.includes(owner)));
        for (const owner of dead) await onOwnerDead?.(owner);
        const entry = registry.read(key);
        if (entry === undefined) continue;
        await onRunning?.(entry.owners, entry.process);
        startMonitor(key);
      }
    },
    serves: (baseUrl) =>
      registry.list().some((entry) => entry.failedReason === undefined && baseUrlOf(entry) === baseUrl),
    problem(baseUrl) {
      const entry = registry.list().find((each) => baseUrlOf(each) === baseUrl);
      return entry?.problem === undefined ? undefined : `${entry.label} is started again: ${entry.problem}`;
    },
    places: () => registry.list().map(({ host, port }) => ({ host, port })),
    servedModels: () => placesOf(registry.list()),
    countByState() {
      const counts = { starting: 0, ready: 0, failed: 0 };
      for (const { readyAt, failedReason } of registry.list()) {
        counts[failedReason !== undefined ? 'failed' : readyAt === undefined ? 'starting' : 'ready']++;
      }
      return counts;
    },
  };
}
