/**
 * `npm run bench:fairness`: measures how long a small run takes beside large ones that have filled the queue of the workers. The real
 * workflow `evaluateJudge` with a worker and a Temporal server in processes of their own; a simulated model server answers each request
 * after the same time.
 *
 *     npm run bench:fairness -- [--large-runs 4] [--shard-seconds 5] [--json]
 *
 * Each row has a server of its own: the small run alone; beside large ones, of 100 shards at once each, with a server that ignores
 * fairness keys; and with one that heeds them. The worker is the same, and works on 64 shards at once.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import Table from 'cli-table3';
import { startEvaluation, type Evaluation } from '../src/client/index.ts';
import { packageRoot } from '../src/platform/package-root.ts';
import { readPendingActivities } from '../src/temporal/pending-activities.ts';
import { runTool } from '../tools/setup/run-tool.ts';
import type { ServerSettings } from './simulation/model-server.ts';
import { startTemporal, startWorker, type Temporal } from './throughput/contenders.ts';

const { values: options } = parseArgs({
  options: {
    'large-runs': { type: 'string', default: '4' },
    'shard-seconds': { type: 'string', default: '5' },
    json: { type: 'boolean', default: false },
  },
});
const REQUEST_SECONDS = 0.5;
/** Requests for each item of a benchmark, one in each order. */
const REQUESTS_OF_ITEM = 2;
const SMALL_SHARDS = 4;
/** The most that a run may have at once. */
const LARGE_SHARDS = 100;
const WORKER_SHARDS = 64;

const ROWS = {
  alone: { fairness: true, beside: false },
  'beside large runs, in order of arrival': { fairness: false, beside: true },
  'beside large runs, runs in turn': { fairness: true, beside: true },
} as const;

interface Measured {
  readonly row: string;
  readonly seconds: number;
  /** Shards of the large runs that waited for the worker when the small one was started. */
  readonly waiting: number;
}

await runTool(async () => {
  const folder = await mkdtemp(join(tmpdir(), 'fairness-'));
  const settings: ServerSettings = {
    places: 10_000,
    medianSeconds: REQUEST_SECONDS,
    sigma: 0,
    maxSeconds: 1,
  };
  const script = fileURLToPath(new URL('simulation/model-server.ts', import.meta.url));
  const server = fork(script, [JSON.stringify(settings)], { serialization: 'advanced' });
  const [baseUrl] = (await once(server, 'message')) as [string];
  try {
    const results: Measured[] = [];
    for (const [index, row] of Object.keys(ROWS).entries())
      results.push(await measure(row as keyof typeof ROWS, join(folder, `${index}`), baseUrl));
    report(results);
  } finally {
    server.disconnect();
    await rm(folder, { recursive: true, force: true });
  }
});

async function measure(row: keyof typeof ROWS, folder: string, baseUrl: string): Promise<Measured> {
  const { fairness, beside } = ROWS[row];
  const largeRuns = beside ? Number(options['large-runs']) : 0;
  const temporal = await startTemporal(join(folder, 'temporal'), { fairness });
  // The endpoint is never what a shard waits for.
  const limits = ['--max-requests-in-flight', '1000', '--min-requests-in-flight', '1000'];
  const worker = await startWorker(packageRoot, temporal, folder, limits);
  try {
    const start = (name: string, shards: number) => startShards(temporal, folder, baseUrl, name, shards);
    const large = await Promise.all(
      Array.from({ length: largeRuns }, (_, index) => start(`large-${index}`, 4 * LARGE_SHARDS)),
    );
    const waitingShards = async () => {
      const runs = await Promise.all(
        large.map((run) => readPendingActivities(temporal.client, run.workflowId)),
      );
      return runs.flatMap(({ activities }) => activities).filter(({ state }) => state === 'scheduled').length;
    };
    // What the worker does not work on waits; before that the shards have been scheduled.
    while ((await waitingShards()) < largeRuns * LARGE_SHARDS - WORKER_SHARDS) await sleep(200);
    const waiting = await waitingShards();
    const began = performance.now();
    await (await start('small', SMALL_SHARDS)).result();
    const seconds = (performance.now() - began) / 1000;
    await Promise.all(large.map((run) => run.cancel()));
    return { row, seconds, waiting };
  } finally {
    await worker.stop();
    await temporal.stop();
  }
}

async function startShards(
  { client }: Temporal,
  folder: string,
  baseUrl: string,
  runName: string,
  shards: number,
): Promise<Evaluation> {
  const shardSize = Number(options['shard-seconds']) / REQUEST_SECONDS / REQUESTS_OF_ITEM;
  const path = join(folder, `${runName}.jsonl`);
  await mkdir(folder, { recursive: true });
  await writeFile(
    path,
    Array.from({ length: shards * shardSize }, (_, id) => `${JSON.stringify(itemOf(id))}\n`),
  );
  return startEvaluation(client, {
    runName,
    serving: { kind: 'endpoint', baseUrl, servedModelName: 'judge' },
    evaluation: { benchmarks: [{ name: 'test', format: 'reward-bench', path }], shardSize },
    // One request at a time, so that a shard takes as long as all of its requests.
    inference: {
      concurrentRequestsPerShard: 1,
      concurrentShards: Math.min(shards, LARGE_SHARDS),
    },
  });
}

function itemOf(id: number): object {
  return {
    ...{ id, prompt: `Question ${id}?`, subset: 'all' },
    ...{ chosen: 'yes', chosen_model: 'a', rejected: 'no', rejected_model: 'b' },
  };
}

function report(results: readonly Measured[]): void {
  const [alone] = results;
  const rows = results.map((result) => ({ ...result, ratio: result.seconds / (alone?.seconds ?? 1) }));
  if (options.json) {
    for (const row of rows) console.log(JSON.stringify(row));
    return;
  }
  const table = new Table({
    head: ['the small run', 'seconds', 'ratio', 'shards that waited before'],
    style: { head: [], border: [] },
  });
  for (const { row, seconds, ratio, waiting } of rows)
    table.push([row, seconds.toFixed(1), ratio.toFixed(2), waiting]);
  console.log(table.toString());
}
