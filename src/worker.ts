/**
 * The composition root: reads the environment, makes the dependencies, and runs one Temporal Worker for each task
 * queue of the roles that this process has.
 */
import { mkdir } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { fileURLToPath } from 'node:url';
import { Client } from '@temporalio/client';
import type { WorkerDeploymentVersion } from '@temporalio/common';
import { loadClientConnectConfig } from '@temporalio/envconfig';
import {
  bundleWorkflowCode,
  DefaultLogger,
  type LogEntry,
  NativeConnection,
  Runtime,
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
import { ArtifactStore } from './artifacts/store.ts';
import { createInferenceClient } from './inference/client.ts';
import { registeredSearchAttributes } from './search-attributes.ts';
import { createServerSupervisor } from './serving/supervisor.ts';
import { noticeOnCurrentVersion, versioningOptions, workerVersionFrom } from './worker-version.ts';

export const DEFAULT_TASK_QUEUE = 'self-taught-evaluator';

export const ROLES = ['workflow', 'inference', 'gpu'] as const;
export type Role = (typeof ROLES)[number];

/** What a worker process is told from outside. */
export interface WorkerSettings {
  readonly roles: readonly Role[];
  /** The queue of the role `workflow`; the other roles' queues begin with it. */
  readonly taskQueue: string;
  /** The artifact store: the same folder for all workers, shared where they are on several machines. */
  readonly storeRoot: string;
  /** The interpreter that has the trainer's packages. */
  readonly python: string;
  /** Requests in flight to one endpoint. */
  readonly maximumInFlight: number;
  readonly requestTimeoutSeconds: number;
  /** How long a stopping worker lets its activities end. */
  readonly shutdownGraceSeconds: number;
  /** What happens to model servers and trainers when the worker stops: they are left for the next worker, or stop with it, a trainer with a checkpoint. */
  readonly onShutdown: 'leave' | 'stop';
  /** Which build of the workers this is; undefined without worker versioning. */
  readonly version: WorkerDeploymentVersion | undefined;
  readonly environment: NodeJS.ProcessEnv;
}

const packageRoot = resolve(fileURLToPath(new URL('..', import.meta.url)));

/**
 * Runs a worker as the command line and the environment say, until it is told to stop.
 * @throws Error that says what to set where an option is wrong or Temporal can't be reached
 */
export async function runWorkerFromEnvironment(argv: readonly string[], python: string): Promise<void> {
  await runWorker(settingsFrom(argv, python, process.env));
}

/** The settings of a worker from its command line and environment. */
export function settingsFrom(
  argv: readonly string[],
  python: string,
  environment: NodeJS.ProcessEnv,
): WorkerSettings {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      roles: { type: 'string', default: environment['SELF_TAUGHT_EVALUATOR_ROLES'] ?? ROLES.join(',') },
      'task-queue': {
        type: 'string',
        default: environment['SELF_TAUGHT_EVALUATOR_TASK_QUEUE'] ?? DEFAULT_TASK_QUEUE,
      },
      store: { type: 'string', default: environment['SELF_TAUGHT_EVALUATOR_STORE'] ?? 'runs' },
      'requests-in-flight': { type: 'string', default: '256' },
      'request-timeout-seconds': { type: 'string', default: '1800' },
      'shutdown-grace-seconds': { type: 'string', default: '10' },
      'on-shutdown': { type: 'string', default: 'leave' },
      'deployment-name': { type: 'string' },
      'build-id': { type: 'string' },
    },
  });
  return {
    roles: rolesFrom(values.roles),
    taskQueue: values['task-queue'],
    storeRoot: resolve(values.store),
    python,
    maximumInFlight: positive('--requests-in-flight', values['requests-in-flight']),
    requestTimeoutSeconds: positive('--request-timeout-seconds', values['request-timeout-seconds']),
    shutdownGraceSeconds: positive('--shutdown-grace-seconds', values['shutdown-grace-seconds']),
    onShutdown: onShutdownFrom(values['on-shutdown']),
    version: workerVersionFrom(
      { deploymentName: values['deployment-name'], buildId: values['build-id'] },
      environment,
    ),
    environment,
  };
}

function rolesFrom(text: string): Role[] {
  const names = text.split(',').map((name) => name.trim());
  const unknown = names.filter((name) => !(ROLES as readonly string[]).includes(name));
  if (unknown.length > 0) {
    throw new Error(
      `--roles: unknown role ${unknown.map((name) => JSON.stringify(name)).join(', ')}; known: ${ROLES.join(', ')}`,
    );
  }
  return names as Role[];
}

function onShutdownFrom(text: string): WorkerSettings['onShutdown'] {
  if (text === 'leave' || text === 'stop') return text;
  throw new Error(`--on-shutdown is ${JSON.stringify(text)}, and must be "leave" or "stop"`);
}

function positive(option: string, text: string): number {
  const value = Number(text);
  if (!(value > 0)) throw new Error(`${option} is ${JSON.stringify(text)}, and must be a positive number`);
  return value;
}

/** Runs a worker until SIGINT or SIGTERM; then it lets its activities end, and stops. */
export async function runWorker(settings: WorkerSettings): Promise<void> {
  Runtime.install({ shutdownSignals: [], logger: new DefaultLogger('WARN', logWarning) });
  await mkdir(settings.storeRoot, { recursive: true });
  const { connectionOptions, namespace } = loadClientConnectConfig();
  const connection = await connect(connectionOptions);
  const deps = createDependencies(
    settings,
    new Client({ connection, ...(namespace === undefined ? {} : { namespace }) }),
    settings.roles.includes('workflow')
      ? await registeredSearchAttributes(connection, namespace ?? 'default', (line) =>
          console.error(`warn: ${line}`),
        )
      : [],
  );
  const workers = await createWorkers(settings, deps, connection, namespace);
  await deps.servers.adopt();
  const stop = () => {
    for (const worker of workers) if (worker.getState() === 'RUNNING') worker.shutdown();
  };
  process.on('SIGINT', stop).on('SIGTERM', stop);
  console.error(
    `worker with roles ${settings.roles.join(', ')} on queue ${settings.taskQueue}, store ${settings.storeRoot}`,
  );
  const notice = settings.version && (await noticeOnCurrentVersion(deps.temporal, settings.version));
  if (notice !== undefined) console.error(notice);
  try {
    await Promise.all(workers.map((worker) => worker.run().finally(stop)));
  } finally {
    if (settings.roles.includes('gpu') && settings.onShutdown === 'stop') await deps.servers.stopAll();
    await deps.servers.close();
    await deps.inference.close();
    await connection.close();
    process.off('SIGINT', stop).off('SIGTERM', stop);
  }
}

/** One line for each warning; that a queue has no workflows is how roles are meant to be. */
function logWarning({ level, message, meta }: LogEntry): void {
  if (message.startsWith('No workflows registered')) return;
  const error = meta?.['error'] as Error | undefined;
  const about = ['workflowId', 'activityType', 'attempt'].flatMap((name) => {
    const value: unknown = meta?.[name];
    return value === undefined ? [] : [`${name}=${JSON.stringify(value)}`];
  });
  console.error([`${level.toLowerCase()}: ${message}`, ...about, error?.message ?? ''].join(' ').trim());
}

async function connect(options: Parameters<typeof NativeConnection.connect>[0]): Promise<NativeConnection> {
  try {
    return await NativeConnection.connect(options);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(
      `no Temporal server answers at ${options?.address ?? '127.0.0.1:7233'} (${reason}): start one with "npm run temporal", ` +
        'or name yours by TEMPORAL_ADDRESS or a profile of the Temporal CLI',
      { cause: error },
    );
  }
}

function createDependencies(
  settings: WorkerSettings,
  temporal: Client,
  searchAttributes: readonly string[],
): Dependencies {
  const { storeRoot, python, environment, maximumInFlight, requestTimeoutSeconds, taskQueue } = settings;
  const servers = createServerSupervisor({
    stateFolder: join(storeRoot, '.machines', hostname(), 'servers'),
    log: (level, message) => console.error(`${level}: ${message}`),
    python,
    storeRoot,
    packageRoot,
    environment,
    isOwnerAlive: (workflowId) => isOpen(temporal, workflowId),
  });
  return {
    store: new ArtifactStore(storeRoot, (message) => console.error(`warn: ${message}`)),
    files: { roots: [process.cwd(), packageRoot] },
    inference: createInferenceClient({
      maximumInFlight,
      requestTimeoutSeconds,
      // Half a minute: a small model server that died is back by then, and what waits asks it again at once.
      retry: { attempts: 8, initialSeconds: 0.5, maximumSeconds: 8 },
      environment,
    }),
    servers,
    temporal,
    python,
    packageRoot,
    machineQueue: `${taskQueue}-gpu-${hostname()}`,
    searchAttributes,
    environment,
    onShutdown: settings.onShutdown,
  };
}

async function createWorkers(
  settings: WorkerSettings,
  deps: Dependencies,
  connection: NativeConnection,
  namespace: string | undefined,
): Promise<Worker[]> {
  const { taskQueue, shutdownGraceSeconds } = settings;
  const shared = {
    connection,
    ...(namespace === undefined ? {} : { namespace }),
    shutdownGraceTime: shutdownGraceSeconds * 1000,
    // Below the 80% of the heartbeat time-out that the SDK would wait by itself: a worker that is short of processor
    // for a moment must not be taken for dead.
    maxHeartbeatThrottleInterval: 3_000,
    ...versioningOptions(settings.version),
  };
  const byRole: Record<Role, () => Promise<WorkerOptions[]>> = {
    workflow: async () => [
      {
        ...shared,
        taskQueue,
        workflowBundle: await workflowBundle(),
        activities: createWorkflowActivities(deps),
        maxConcurrentActivityTaskExecutions: 20,
        // How long a workflow waits for a worker that died with it in its cache; another one replays it.
        stickyQueueScheduleToStartTimeout: '3 s',
      },
    ],
    inference: async () => [
      {
        ...shared,
        taskQueue: `${taskQueue}-inference`,
        activities: createInferenceActivities(deps),
        maxConcurrentActivityTaskExecutions: 16,
      },
    ],
    gpu: async () => [
      { ...shared, taskQueue: `${taskQueue}-gpu`, activities: createGpuActivities(deps) },
      { ...shared, taskQueue: deps.machineQueue, activities: createMachineActivities(deps) },
    ],
  };
  const options = (await Promise.all(settings.roles.map((role) => byRole[role]()))).flat();
  return Promise.all(options.map((each) => Worker.create(each)));
}

async function workflowBundle() {
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
  return bundleWorkflowCode({
    workflowsPath: fileURLToPath(new URL(`./workflows/index.${extension}`, import.meta.url)),
    logger: {
      ...console,
      log: () => undefined,
      trace: () => undefined,
      debug: () => undefined,
      info: () => undefined,
    },
  });
}
