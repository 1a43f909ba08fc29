import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client, Connection } from '@temporalio/client';
import { noopMetricMeter } from '@temporalio/common/lib/metrics.js';
import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger } from '@temporalio/worker';
import type { Dependencies } from '../../src/activities/dependencies.ts';
import type { ResolvedConfiguration } from '../../src/runs/open-run.ts';
import { runUris } from '../../src/runs/run-layout.ts';
import type { RunReference, ServedModel } from '../../src/api/activity-types.ts';
import type { ArtifactReference } from '../../src/store/artifact.ts';
import { publishShardIndex, publishShards, readShardedRecords } from '../../src/store/shards.ts';
import { openStore, type ArtifactStore } from '../../src/store/artifact-store.ts';
import { toReference } from '../../src/store/artifact.ts';
import { parseConfiguration } from '../../src/config/parse-configuration.ts';
import type { ConfigurationInput } from '../../src/config/run-configuration.ts';
import { createInferenceClient } from '../../src/models/inference/client.ts';
import { createWorkerMetrics } from '../../src/observability/worker-metrics.ts';
import { StagePlaces } from '../../src/activities/stage-places.ts';
import { MachineGpus } from '../../src/models/gpus/machine-gpus.ts';
import { createServerSupervisor } from '../../src/models/serving/supervisor.ts';
import { UsageLedgers } from '../../src/runs/usage/usage-ledger.ts';
import { startScriptedEndpoint, type ScriptedEndpoint } from './scripted-endpoint.ts';
import { OWN_WORK } from '../../src/policy/policy-schema.ts';
import { packageRoot } from '../../src/platform/package-root.ts';

/** A run in a separate store, with the dependencies of a worker and a scripted endpoint. */
export interface TestRun {
  readonly folder: string;
  readonly deps: Dependencies;
  readonly endpoint: ScriptedEndpoint;
  readonly run: RunReference;
  readonly model: ServedModel;
  /** Publishes records as the shards of an earlier stage. */
  publish(uri: string, records: readonly unknown[], shardSize: number): Promise<ArtifactReference>;
  /** The records behind an index. */
  behind<T>(index: ArtifactReference): Promise<T[]>;
  close(): Promise<void>;
}

type Changes = Partial<ConfigurationInput>;

/**
 * Prepares a run as planRun does, with short prompts and a minimal configuration with the given changes.
 * @param storeAddress by default a folder
 */
export async function startTestRun(
  changes: Changes = {},
  prompts: Partial<ResolvedConfiguration['prompts']> = {},
  storeAddress?: string,
) {
  const folder = await mkdtemp(join(tmpdir(), 'run-'));
  const store = openStore(storeAddress ?? join(folder, 'store'));
  const endpoint = await startScriptedEndpoint();
  // No server is there, and a retry after the connection is closed would end the process.
  const connection = Connection.lazy({ interceptors: [] });
  const temporal = new Client({ connection });
  const environment = {};
  const deps: Dependencies = {
    store,
    files: { roots: [folder, packageRoot] },
    policy: OWN_WORK,
    inference: createInferenceClient({
      concurrency: { minimum: 1, maximum: 8 },
      requestTimeoutSeconds: 60,
      retry: { attempts: 1, initialSeconds: 1, maximumSeconds: 1 },
      environment,
    }),
    servers: createServerSupervisor({
      stateFolder: join(folder, 'servers'),
      log: () => undefined,
      python: 'python3',
      storeRoot: store.address,
      packageRoot,
      cacheFolder: join(folder, 'cache'),
      environment,
    }),
    gpus: new MachineGpus(join(folder, 'machine'), []),
    temporal,
    python: 'python3',
    packageRoot,
    machine: 'test',
    machineQueue: 'test-gpu',
    inferenceQueue: 'test-inference',
    metrics: createWorkerMetrics(noopMetricMeter),
    ledgers: new UsageLedgers(store),
    stagePlaces: new StagePlaces(),
    searchAttributes: [],
    environment,
    onShutdown: 'stop',
    stopping: new AbortController().signal,
    shutdownGraceSeconds: 1,
  };
  const testRun: TestRun = {
    folder,
    deps,
    endpoint,
    run: await publishConfiguration(store, changes, prompts),
    model: { checkpoint: 'm', sha256: 'hash of m', baseUrl: endpoint.baseUrl, servedModelName: 'm' },
    async publish(uri, records, shardSize) {
      const shards = await publishShards(store, uri, records, shardSize, { stage: uri });
      return toReference(await publishShardIndex(store, uri, shards));
    },
    behind: (index) => Array.fromAsync(readShardedRecords(store, index)),
    async close() {
      // Closes its log.
      await deps.ledgers.forRun('test').settleAfter(Promise.resolve());
      await endpoint.close();
      await deps.inference.close();
      await deps.servers.close();
      await connection.close();
      await rm(folder, { recursive: true });
    },
  };
  return testRun;
}

async function publishConfiguration(
  store: ArtifactStore,
  changes: Changes,
  prompts: Partial<ResolvedConfiguration['prompts']>,
): Promise<RunReference> {
  const { configuration, problems } = parseConfiguration({
    runName: 'test',
    models: { seed: { checkpoint: 'm' } },
    serving: { kind: 'endpoint', baseUrl: 'http://127.0.0.1:9/v1', servedModelName: 'm-{iteration}' },
    instructions: { pool: ['pool.jsonl'] },
    evaluation: {
      benchmarks: [{ name: 'held-out', format: 'reward-bench', path: 'b.jsonl', purpose: 'test' }],
    },
    ...changes,
  });
  if (configuration === undefined) throw new Error(JSON.stringify(problems));
  const judge = { user: '{instruction} (A) {responseA} (B) {responseB}' };
  const resolved: ResolvedConfiguration = {
    configuration,
    prompts: {
      category: null,
      complexity: null,
      worse: null,
      respond: { user: '{instruction}' },
      similar: { user: 'Similar: {instruction}' },
      judge,
      training: judge,
      evaluation: { 'held-out': { pairwise: judge } },
      ...prompts,
    },
  };
  const artifact = await store.publish(`${runUris.configurations('test')}/0`, {
    fingerprint: { schema: 1 },
    records: [resolved],
  });
  return { runName: 'test', configuration: toReference(artifact) };
}

/** Runs an activity as a worker does. */
export function asActivity<T>(work: () => Promise<T>): Promise<T> {
  return cancellable(work).work;
}

/** The same, with a way to cancel it. */
export function cancellable<T>(work: () => Promise<T>): { work: Promise<T>; cancel: () => void } {
  const logger = new DefaultLogger('ERROR');
  const environment = new MockActivityEnvironment({ heartbeatTimeoutMs: 10_000 }, { logger });
  return { work: environment.run(work), cancel: () => environment.cancel() };
}
