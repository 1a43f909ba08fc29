/**
 * The composition root: makes the dependencies from the settings, and runs one Temporal Worker for each task
 * queue of the roles that this process has.
 */
import { mkdir } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Client } from '@temporalio/client';
import {
  type BundlerPlugin,
  bundleWorkflowCode,
  NativeConnection,
  Worker,
  type WorkerOptions,
} from '@temporalio/worker';
import type { Dependencies } from './activities/dependencies.ts';
import { isOpen } from './activities/claim-run.ts';
import {
  createGpuActivities,
  createInferenceActivities,
  createMachineActivities,
  createWorkflowActivities,
} from './activities/index.ts';
import { createWaitingReports } from './activities/tell-waiting.ts';
import { ArtifactStore } from './artifacts/store.ts';
import { cacheFolder } from './config/cache-folder.ts';
import { createInferenceClient } from './inference/client.ts';
import { nameActivityScope } from './observability/activity-scope.ts';
import { type HealthSources, serveHealth } from './observability/health.ts';
import { createLog, logOfActivity, sdkLogger, standardError, type WorkerLog } from './observability/log.ts';
import { createWorkerMetrics, type WorkerMetrics } from './observability/metrics.ts';
import { measureModelRequests } from './observability/model-request-metrics.ts';
import { pollMetrics } from './observability/polled-metrics.ts';
import { installRuntime } from './observability/runtime.ts';
import { isTracingOn } from './observability/tracing-switch.ts';
import type { Tracing } from './observability/tracing.ts';
import { registeredSearchAttributes } from './search-attributes.ts';
import { createServerSupervisor } from './serving/supervisor.ts';
import { TemporalUnreachable } from './setting-error.ts';
import { Ledgers } from './spending/ledger.ts';
import { connectionOptions, connectToServer } from './temporal/connect.ts';
import { keysOf, type TemporalSettings } from './temporal/settings.ts';
import { runWorkers } from './temporal/run-workers.ts';
import { noticeOnCurrentVersion, versioningOptions } from './worker-version.ts';
import { queueOf, type Role } from './worker-options.ts';
import type { WorkerSettings } from './worker-settings.ts';

const packageRoot = resolve(fileURLToPath(new URL('..', import.meta.url)));

/**
 * Runs a worker until SIGINT or SIGTERM; then it lets its activities end, and stops.
 * @throws as runWorkers, after which the process must be ended
 */
export async function runWorker(settings: WorkerSettings): Promise<void> {
  const { environment } = settings;
  const log = logOf(settings);
  const stopping = new AbortController();
  const seen: HealthSources = { connection: undefined, workers: [], stopping: stopping.signal };
  const health = settings.healthAddress && (await serveHealth(settings.healthAddress, seen));
  // Loaded where it is on alone.
  const tracing = isTracingOn(environment)
    ? (await import('./observability/tracing.ts')).startTracing(environment, (line) => log.warn(line))
    : undefined;
  // Last: until something is connected by it, it keeps a process that can't start from ending.
  const { metricMeter } = installRuntime(log, settings.metricsAddress);
  await mkdir(settings.storeRoot, { recursive: true });
  const connection = await connect(settings.temporal);
  seen.connection = connection;
  try {
    const metrics = createWorkerMetrics(metricMeter);
    await work(settings, { log, metrics, tracing, connection, workers: seen.workers, stopping });
  } finally {
    await health?.close();
    await tracing?.close();
    // It can't be closed under workers that never end.
    await connection.close().catch((error: unknown) => log.debug(error));
  }
}

/** What a worker process has before it has workers. */
interface Surroundings {
  readonly log: WorkerLog;
  readonly metrics: WorkerMetrics;
  readonly tracing: Tracing | undefined;
  readonly connection: NativeConnection;
  /** Filled in, for who asks for the worker's health. */
  readonly workers: Worker[];
  /** Aborted when the worker begins to stop. */
  readonly stopping: AbortController;
}

async function work(settings: WorkerSettings, surroundings: Surroundings): Promise<void> {
  const { roles, taskQueue, storeRoot } = settings;
  const { log, workers, stopping } = surroundings;
  const deps = await createDependencies(settings, surroundings);
  await deps.servers.adopt();
  workers.push(...(await createWorkers(settings, deps, surroundings)));
  const stop = () => {
    stopping.abort();
    for (const worker of workers) if (worker.getState() === 'RUNNING') worker.shutdown();
  };
  process.on('SIGINT', stop).on('SIGTERM', stop);
  log.info(`worker with roles ${roles.join(', ')} on queue ${taskQueue}, store ${storeRoot}`);
  const notice = settings.version && (await noticeOnCurrentVersion(deps.temporal, settings.version));
  if (notice !== undefined) log.warn(notice);
  const polling =
    settings.metricsAddress &&
    pollMetrics(
      deps.metrics,
      {
        inference: deps.inference,
        servers: roles.includes('gpu') ? deps.servers : undefined,
        temporal: deps.temporal,
        taskQueues: workers.map(({ options }) => options.taskQueue),
      },
      stopping.signal,
    );
  try {
    await runWorkers(workers, stop, settings.temporal);
  } finally {
    stop();
    if (roles.includes('gpu') && settings.onShutdown === 'stop') await deps.servers.stopAll();
    await deps.servers.close();
    await deps.inference.close();
    await polling;
    process.off('SIGINT', stop).off('SIGTERM', stop);
  }
}

function logOf({ logLevel, logFormat, environment, temporal }: WorkerSettings): WorkerLog {
  const automatic = process.stderr.isTTY ? 'text' : 'json';
  return createLog({
    level: logLevel,
    format: logFormat === 'auto' ? automatic : logFormat,
    // Keys that stand in a profile are as secret as those in a variable.
    environment: { ...environment, ...keysOf(temporal) },
    write: standardError(),
  });
}

/** The SDK's native connection says little of what is wrong, so the client's is tried first. */
async function connect(settings: TemporalSettings): Promise<NativeConnection> {
  await (await connectToServer(settings)).close();
  const options = connectionOptions(settings);
  try {
    return await NativeConnection.connect(options);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new TemporalUnreachable(
      `the worker can't connect to the Temporal server at ${options.address}, though a client can: ${reason}`,
      { cause: error },
    );
  }
}

async function createDependencies(
  settings: WorkerSettings,
  { log, metrics, tracing, connection }: Surroundings,
): Promise<Dependencies> {
  const { namespace } = settings.temporal;
  const temporal = new Client({ connection, namespace });
  const { storeRoot, python, environment, inFlight, requestTimeoutSeconds, taskQueue } = settings;
  const store = new ArtifactStore(storeRoot, (message) => logOfActivity(log, 'warn', message));
  const cache = cacheFolder(environment, process.platform);
  const servers = createServerSupervisor({
    stateFolder: join(storeRoot, '.machines', hostname(), 'servers'),
    log: (level, message) => log[level](message),
    python,
    storeRoot,
    packageRoot,
    cacheFolder: cache,
    environment,
    isOwnerAlive: (workflowId) => isOpen(temporal, workflowId),
  });
  return {
    store,
    ledgers: new Ledgers(store),
    files: { roots: [process.cwd(), packageRoot, cache] },
    inference: createInferenceClient({
      inFlight,
      requestTimeoutSeconds,
      // Half a minute: a small model server that died is back by then, and what waits asks it again at once.
      retry: { attempts: 8, initialSeconds: 0.5, maximumSeconds: 8 },
      environment,
      observers: [measureModelRequests(metrics), ...(tracing === undefined ? [] : [tracing.requests])],
    }),
    servers,
    waiting: createWaitingReports(temporal),
    metrics,
    temporal,
    python,
    packageRoot,
    machineQueue: `${taskQueue}-gpu-${hostname()}`,
    searchAttributes: settings.roles.includes('workflow')
      ? await registeredSearchAttributes(connection, namespace, (line) => log.warn(line))
      : [],
    environment,
    onShutdown: settings.onShutdown,
  };
}

async function createWorkers(
  settings: WorkerSettings,
  deps: Dependencies,
  { log, tracing, connection }: Surroundings,
): Promise<Worker[]> {
  const { taskQueue, shutdownGraceSeconds } = settings;
  const plugins = tracing === undefined ? [] : [tracing.plugin];
  const shared = {
    connection,
    namespace: settings.temporal.namespace,
    shutdownGraceTime: shutdownGraceSeconds * 1000,
    // Below the 80% of the heartbeat time-out that the SDK would wait by itself: a worker that is short of processor
    // for a moment must not be taken for dead.
    maxHeartbeatThrottleInterval: 3_000,
    interceptors: { activity: [nameActivityScope] },
    plugins,
    ...versioningOptions(settings.version),
  };
  const byRole: Record<Role, () => Promise<WorkerOptions[]>> = {
    workflow: async () => [
      {
        ...shared,
        taskQueue,
        workflowBundle: await workflowBundle(log, plugins),
        activities: createWorkflowActivities(deps),
        maxConcurrentActivityTaskExecutions: 20,
        // How long a workflow waits for a worker that died with it in its cache; another one replays it.
        stickyQueueScheduleToStartTimeout: '3 s',
      },
    ],
    inference: async () => [
      {
        ...shared,
        taskQueue: queueOf('inference', taskQueue),
        activities: createInferenceActivities(deps),
        maxConcurrentActivityTaskExecutions: 16,
      },
    ],
    gpu: async () => [
      { ...shared, taskQueue: queueOf('gpu', taskQueue), activities: createGpuActivities(deps) },
      { ...shared, taskQueue: deps.machineQueue, activities: createMachineActivities(deps) },
    ],
  };
  const options = (await Promise.all(settings.roles.map((role) => byRole[role]()))).flat();
  return Promise.all(options.map((each) => Worker.create(each)));
}

function workflowBundle(log: WorkerLog, plugins: BundlerPlugin[]) {
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
  return bundleWorkflowCode({
    workflowsPath: fileURLToPath(new URL(`./workflows/index.${extension}`, import.meta.url)),
    logger: sdkLogger(log),
    plugins,
  });
}
