/**
 * The composition root: makes the dependencies from the settings, and runs one Temporal Worker for each task queue of
 * this process's roles.
 */
import { join } from 'node:path';
import { Client } from '@temporalio/client';
import { NativeConnection, Worker, type WorkerOptions } from '@temporalio/worker';
import type { Dependencies } from './activities/dependencies.ts';
import { StagePlaces } from './activities/stage-places.ts';
import { workerStopping } from './activities/temporal-failures.ts';
import { isWorkflowOpen } from './runs/claim-run.ts';
import {
  createGpuActivities,
  createInferenceActivities,
  createPinnedWorkerActivities,
  createWorkflowActivities,
} from './activities/index.ts';
import { openStore } from './store/artifact-store.ts';
import { cacheFolder } from './platform/cache-folder.ts';
import { createInferenceClient } from './models/inference/client.ts';
import { logActivityScope } from './observability/activity-scope.ts';
import { type HealthSources, serveHealth } from './observability/health.ts';
import { createLog, logInActivity, standardErrorWriter, type WorkerLog } from './observability/log.ts';
import { createWorkerMetrics, type WorkerMetrics } from './observability/worker-metrics.ts';
import { createModelRequestMetrics } from './observability/model-request-metrics.ts';
import { pollMetrics } from './observability/polled-metrics.ts';
import { installRuntime } from './observability/runtime.ts';
import { isTracingEnabled } from './observability/tracing-enabled.ts';
import type { Tracing } from './observability/tracing.ts';
import { registeredSearchAttributes } from './temporal/search-attributes.ts';
import { MACHINES, withdrawServedModels } from './models/serving/served-models.ts';
import { MachineGpus } from './models/gpus/machine-gpus.ts';
import { visibleGpus } from './models/gpus/visible-gpus.ts';
import { watchTrainings } from './models/training/watched-trainings.ts';
import { AnswerTimes } from './models/serving/answer-times.ts';
import { createServerSupervisor, type ServerSupervisor } from './models/serving/supervisor.ts';
import { TemporalUnreachable } from './temporal/temporal-unreachable.ts';
import { UsageLedgers } from './runs/usage/usage-ledger.ts';
import { connectionOptions, connectToServer } from './temporal/connect.ts';
import { createDataConverter } from './temporal/data-converter.ts';
import { isOwnDevServer } from './temporal/own-dev-server.ts';
import type { TemporalSettings } from './temporal/settings.ts';
import { cleanFailures } from './worker/clean-failures.ts';
import { limitFailureDetails } from './worker/failure-details.ts';
import { guardedConnections, guardedFiles } from './worker/policy-guards.ts';
import { policyOf } from './worker/policy-of.ts';
import { runWorkers } from './worker/run-workers.ts';
import { requireUsableStore } from './worker/require-usable-store.ts';
import { shareServedModels } from './worker/share-served-models.ts';
import { watchWaits } from './worker/watch-waits.ts';
import { workflowBundle } from './worker/workflow-bundle.ts';
import { currentVersionNotice, versioningOptions } from './worker/versioning.ts';
import { machineTaskQueue, servedTaskQueue, taskQueueForRole, type Role } from './api/task-queues.ts';
import type { WorkerSettings } from './worker/settings.ts';
import { machineName } from './platform/machine-name.ts';
import { packageRoot } from './platform/package-root.ts';

/**
 * Runs a worker until SIGINT or SIGTERM; then waits for its activities to end, and stops.
 * @throws as runWorkers, after which the process must be ended
 */
export async function runWorker(settings: WorkerSettings): Promise<void> {
  const { environment } = settings;
  const log = createWorkerLog(settings);
  const stopping = new AbortController();
  const seen: HealthSources = { connection: undefined, workers: [], stopping: stopping.signal };
  const health = settings.healthAddress && (await serveHealth(settings.healthAddress, seen));
  // Loaded only if tracing is on.
  const tracing = isTracingEnabled(environment)
    ? (await import('./observability/tracing.ts')).startTracing(environment, (line) => log.warn(line))
    : undefined;
  // Installed last: until a connection uses it, the runtime keeps a process that can't start from ending.
  const { metricMeter } = installRuntime(log, settings.metricsAddress);
  await requireUsableStore(settings.storeRoot, log);
  const connection = await connect(settings.temporal);
  seen.connection = connection;
  try {
    const metrics = createWorkerMetrics(metricMeter);
    await runAllWorkers(settings, { log, metrics, tracing, connection, workers: seen.workers, stopping });
  } finally {
    await health?.close();
    await tracing?.close();
    // The connection can't be closed while there are workers that never end.
    await connection.close().catch((error: unknown) => log.debug(error));
  }
}

/** The resources of a worker process that are created before its workers. */
interface WorkerContext {
  readonly log: WorkerLog;
  readonly metrics: WorkerMetrics;
  readonly tracing: Tracing | undefined;
  readonly connection: NativeConnection;
  /** Filled with the workers, whose health is served. */
  readonly workers: Worker[];
  /** Aborted when the worker begins to stop. */
  readonly stopping: AbortController;
}

async function runAllWorkers(settings: WorkerSettings, surroundings: WorkerContext): Promise<void> {
  const { roles, taskQueue, storeRoot } = settings;
  const { log, workers, stopping } = surroundings;
  const deps = await createDependencies(settings, surroundings);
  // Model servers belong to the workers with the role gpu.
  if (roles.includes('gpu')) await deps.servers.recover();
  workers.push(...(await createWorkers(settings, deps, surroundings)));
  const notice =
    settings.deploymentVersion && (await currentVersionNotice(deps.temporal, settings.deploymentVersion));
  // From here until the workers run nothing is waited for: only workers that run can be stopped.
  const stop = () => {
    stopping.abort(workerStopping());
    for (const worker of workers) if (worker.getState() === 'RUNNING') worker.shutdown();
  };
  process.on('SIGINT', stop).on('SIGTERM', stop);
  log.info(`worker with roles ${roles.join(', ')} on queue ${taskQueue}, store ${storeRoot}`);
  if (notice !== undefined) log.warn(notice);
  const polling =
    settings.metricsAddress &&
    pollMetrics(
      deps.metrics,
      {
        inference: deps.inference,
        modelServers: roles.includes('gpu') ? deps.servers : undefined,
        temporal: deps.temporal,
        taskQueues: workers.map(({ options }) => options.taskQueue),
      },
      stopping.signal,
    );
  const watching = roles.includes('workflow')
    ? watchWaits(
        {
          temporal: deps.temporal,
          taskQueue,
          warn: (message) => log.warn(message),
          metrics: deps.metrics,
        },
        stopping.signal,
      )
    : undefined;
  const sharing = shareServedModels({
    ...{ roles, taskQueue, deps, signal: stopping.signal },
    log: (level, message) => log[level](message),
    inferenceOptions: (queue) => inferenceOptions(settings, deps, surroundings, queue),
  });
  const observing = roles.includes('gpu')
    ? watchTrainings(deps.store.objects, (message) => log.warn(message), stopping.signal)
    : undefined;
  try {
    await runWorkers(workers, stop, settings.temporal);
  } finally {
    stop();
    await sharing;
    if (roles.includes('gpu') && settings.onShutdown === 'stop') {
      await deps.servers.stopAll();
      await withdrawServedModels(deps.store.objects, deps.machine).catch((error: unknown) => log.warn(error));
    }
    await deps.servers.close();
    await deps.inference.close();
    await polling;
    await watching;
    await observing;
    process.off('SIGINT', stop).off('SIGTERM', stop);
  }
}

function createWorkerLog({ logLevel, logFormat, environment }: WorkerSettings): WorkerLog {
  const automatic = process.stderr.isTTY ? 'text' : 'json';
  return createLog({
    level: logLevel,
    format: logFormat === 'auto' ? automatic : logFormat,
    environment,
    write: standardErrorWriter(),
  });
}

/** The SDK's native connection gives few details of a failure, so the client's connection is tried first. */
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

async function createDependencies(settings: WorkerSettings, context: WorkerContext): Promise<Dependencies> {
  const { log, metrics, tracing, connection, stopping } = context;
  const { address } = connectionOptions(settings.temporal);
  let asked: Promise<boolean> | undefined;
  const isOwnServer = () => (asked ??= isOwnDevServer(connection, address, settings.environment));
  const policy = await policyOf(settings, isOwnServer, log);
  await limitFailureDetails(settings, isOwnServer, log);
  const { namespace, encryptionKeys } = settings.temporal;
  const dataConverter = createDataConverter(encryptionKeys);
  const temporal = new Client({ connection, namespace, dataConverter });
  const machine = await machineName();
  const { storeRoot, python, serveHost, environment, inFlight, requestTimeoutSeconds, taskQueue } = settings;
  const store = openStore(storeRoot, (message) => logInActivity(log, 'warn', message));
  const cache = cacheFolder(environment, process.platform);
  const gpus = new MachineGpus(settings.machineFolder, visibleGpus(environment));
  const answerTimes = new AnswerTimes();
  const connectionGuard = guardedConnections(policy, store, () => servers.places());
  const servers: ServerSupervisor = createServerSupervisor({
    stateFolder: join(store.objects.localRoot, MACHINES, machine, 'servers'),
    log: (level, message) => log[level](message),
    python,
    storeRoot: store.objects.localRoot,
    packageRoot,
    cacheFolder: cache,
    serveHost,
    ...{ environment, guard: connectionGuard },
    onRunning: (owners, process) => gpus.keepFor(owners, process),
    onOwnerDead: (owner) => gpus.release(owner),
    isOwnerAlive: (workflowId) => isWorkflowOpen(temporal, workflowId),
    answeredAt: (baseUrl) => answerTimes.at(baseUrl),
  });
  return {
    store,
    ledgers: new UsageLedgers(store),
    stagePlaces: new StagePlaces(),
    files: guardedFiles(policy, store, environment),
    ...{ policy, connectionGuard },
    inference: createInferenceClient({
      concurrency: inFlight,
      requestTimeoutSeconds,
      // Half a minute: a small model server that died has restarted by then, and waiting requests are sent to it
      // immediately.
      retry: { attempts: 8, initialSeconds: 0.5, maximumSeconds: 8 },
      ...{ environment, guard: connectionGuard },
      onNotice: (notice) => log.warn(notice),
      onUnquoted: (line) => log.debug(line),
      observers: [
        answerTimes,
        createModelRequestMetrics(metrics),
        ...(tracing === undefined ? [] : [tracing.requestObserver]),
      ],
    }),
    servers,
    gpus,
    metrics,
    temporal,
    ...{ python, vllmPython: settings.vllmPython },
    packageRoot,
    machine,
    machineQueue: machineTaskQueue(machine, taskQueue),
    inferenceQueue: servedTaskQueue(machine, taskQueue),
    searchAttributes: settings.roles.includes('workflow')
      ? await registeredSearchAttributes(connection, namespace, (line) => log.warn(line))
      : [],
    environment,
    onShutdown: settings.onShutdown,
    stopping: stopping.signal,
    shutdownGraceSeconds: settings.shutdownGraceSeconds,
  };
}

/** The options that all workers of the process have. */
function sharedOptions(settings: WorkerSettings, { tracing, connection }: WorkerContext) {
  return {
    connection,
    namespace: settings.temporal.namespace,
    dataConverter: createDataConverter(settings.temporal.encryptionKeys),
    shutdownGraceTime: settings.shutdownGraceSeconds * 1000,
    // Below the SDK's default of 80% of the heartbeat timeout, so that a worker with too little CPU time for a moment
    // does not count as dead.
    maxHeartbeatThrottleInterval: 3_000,
    interceptors: { activity: [logActivityScope, cleanFailures] },
    plugins: tracing === undefined ? [] : [tracing.plugin],
    ...versioningOptions(settings.deploymentVersion),
  };
}

function inferenceOptions(
  settings: WorkerSettings,
  deps: Dependencies,
  context: WorkerContext,
  taskQueue: string,
): WorkerOptions {
  return {
    ...sharedOptions(settings, context),
    taskQueue,
    activities: createInferenceActivities(deps),
    // A shard that only awaits its last answers has a slot too.
    maxConcurrentActivityTaskExecutions: 64,
  };
}

async function createWorkers(
  settings: WorkerSettings,
  deps: Dependencies,
  context: WorkerContext,
): Promise<Worker[]> {
  const { taskQueue } = settings;
  const shared = sharedOptions(settings, context);
  const byRole: Record<Role, () => Promise<WorkerOptions[]>> = {
    workflow: async () => [
      {
        ...shared,
        taskQueue,
        workflowBundle: await workflowBundle({
          log: context.log,
          plugins: shared.plugins,
          failureConverterPath: shared.dataConverter.failureConverterPath,
          cacheFolder: cacheFolder(settings.environment, process.platform),
        }),
        activities: createWorkflowActivities(deps),
        maxConcurrentActivityTaskExecutions: 20,
        // How long a workflow task waits for a worker that died with the workflow in its cache; another worker then
        // replays it.
        stickyQueueScheduleToStartTimeout: '3 s',
      },
    ],
    inference: async () =>
      [taskQueueForRole('inference', taskQueue), deps.inferenceQueue].map((queue) =>
        inferenceOptions(settings, deps, context, queue),
      ),
    gpu: async () => [
      { ...shared, taskQueue: taskQueueForRole('gpu', taskQueue), activities: createGpuActivities(deps) },
      {
        ...shared,
        taskQueue: deps.machineQueue,
        activities: createPinnedWorkerActivities(deps),
        // Each stage that uses a model of this machine has an activity that only watches the server.
        maxConcurrentActivityTaskExecutions: 1000,
      },
    ],
  };
  const options = (await Promise.all(settings.roles.map((role) => byRole[role]()))).flat();
  return Promise.all(options.map((each) => Worker.create(each)));
}
