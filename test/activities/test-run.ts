import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { Client, Connection } from '@temporalio/client';
import { noopMetricMeter } from '@temporalio/common/lib/metrics.js';
import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger } from '@temporalio/worker';
import type { Dependencies } from '../../src/activities/dependencies.ts';
import { runUris, type ResolvedConfiguration } from '../../src/activities/open-run.ts';
import { createWaitingReports } from '../../src/activities/tell-waiting.ts';
import type { RunReference, ServedModel } from '../../src/activities/types.ts';
import type { ArtifactReference } from '../../src/artifacts/reference.ts';
import { publishIndex, publishInShards, recordsBehind } from '../../src/artifacts/shards.ts';
import { ArtifactStore, referenceTo } from '../../src/artifacts/store.ts';
import { readConfiguration } from '../../src/config/read-configuration.ts';
import type { ConfigurationInput } from '../../src/config/schema.ts';
import { createInferenceClient } from '../../src/inference/client.ts';
import { createWorkerMetrics } from '../../src/observability/metrics.ts';
import { createServerSupervisor } from '../../src/serving/supervisor.ts';
import { Ledgers } from '../../src/spending/ledger.ts';
import { startScriptedEndpoint, type ScriptedEndpoint } from '../inference/scripted-endpoint.ts';

const packageRoot = resolve(import.meta.dirname, '../..');

/** A run in a store of its own, with the dependencies of a worker and an endpoint that answers as the test says. */
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

/** Starts a run as planRun does, with short prompts and the changes to the least configuration. */
export async function startTestRun(
  changes: Changes = {},
  prompts: Partial<ResolvedConfiguration['prompts']> = {},
) {
  const folder = await mkdtemp(join(tmpdir(), 'run-'));
  const store = new ArtifactStore(join(folder, 'store'));
  const endpoint = await startScriptedEndpoint();
  const connection = Connection.lazy();
  const temporal = new Client({ connection });
  const environment = {};
  const deps: Dependencies = {
    store,
    files: { roots: [folder, packageRoot] },
    inference: createInferenceClient({
      inFlight: { minimum: 1, maximum: 8 },
      requestTimeoutSeconds: 10,
      retry: { attempts: 1, initialSeconds: 1, maximumSeconds: 1 },
      environment,
    }),
    servers: createServerSupervisor({
      stateFolder: join(folder, 'servers'),
      log: () => undefined,
      python: 'python3',
      storeRoot: store.root,
      packageRoot,
      cacheFolder: join(folder, 'cache'),
      environment,
    }),
    temporal,
    waiting: createWaitingReports(temporal),
    python: 'python3',
    packageRoot,
    machineQueue: 'test-gpu',
    metrics: createWorkerMetrics(noopMetricMeter),
    ledgers: new Ledgers(store),
    searchAttributes: [],
    environment,
    onShutdown: 'stop',
  };
  const testRun: TestRun = {
    folder,
    deps,
    endpoint,
    run: await publishConfiguration(store, changes, prompts),
    model: { checkpoint: 'm', sha256: 'hash of m', baseUrl: endpoint.baseUrl, servedName: 'm' },
    async publish(uri, records, shardSize) {
      const shards = await publishInShards(store, uri, records, shardSize, { stage: uri });
      return referenceTo(await publishIndex(store, uri, shards));
    },
    behind: (index) => Array.fromAsync(recordsBehind(store, index)),
    async close() {
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
  const { configuration, problems } = readConfiguration({
    runName: 'test',
    models: { seed: { checkpoint: 'm' } },
    serving: { kind: 'endpoint', baseUrl: 'http://127.0.0.1:9/v1', servedName: 'm' },
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
  return { runName: 'test', configuration: referenceTo(artifact) };
}

/** Runs an activity as a worker does. */
export function asActivity<T>(work: () => Promise<T>): Promise<T> {
  return cancellable(work).work;
}

/** The same, for who wants to cancel it. */
export function cancellable<T>(work: () => Promise<T>): { work: Promise<T>; cancel: () => void } {
  const logger = new DefaultLogger('ERROR');
  const environment = new MockActivityEnvironment({ heartbeatTimeoutMs: 10_000 }, { logger });
  return { work: environment.run(work), cancel: () => environment.cancel() };
}
