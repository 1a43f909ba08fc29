/**
 * `npm run bench:fairness`: measures how long a small run takes beside a large one that has filled the queue of the workers. The real
 * workflow `evaluateJudge` with a worker and a Temporal server in processes of their own; a simulated model server answers each request
 * after the same time.
 *
 *     npm run bench:fairness -- [--concurrent-shards 512] [--shard-seconds 5] [--json]
 *
 * Each row has a server of its own: the small run alone; beside the large one with a server that ignores fairness keys; and with one
 * that heeds them. The worker is the same, and works on 64 shards at once.
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
    'concurrent-shards': { type: 'string', default: '512' },
    'shard-seconds': { type: 'string', default: '5' },
    json: { type: 'boolean', default: false },
  },
});
const REQUEST_SECONDS = 0.5;
/** Requests for each item of a benchmark, one in each order. */
const REQUESTS_OF_ITEM = 2;
const SMALL_SHARDS = 4;

const ROWS = {
  alone: { fairness: true, beside: false },
  'beside a large run, in order of arrival': { fairness: false, beside: true },
  'beside a large run, runs in turn': { fairness: true, beside: true },
} as const;

interface Measured {
  readonly row: string;
  readonly seconds: number;
  /** Shards of the large run that no worker had taken when the small one was started, and that were done when it ended. */
  readonly waiting: number;
  readonly largeDone: number;
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
  const concurrentShards = Number(options['concurrent-shards']);
  const temporal = await startTemporal(join(folder, 'temporal'), { fairness });
  // The endpoint is never what a shard waits for.
  const limits = ['--max-requests-in-flight', '1000', '--min-requests-in-flight', '1000'];
  const worker = await startWorker(packageRoot, temporal, folder, limits);
  try {
    const start = (name: string, shards: number) => startShards(temporal, folder, baseUrl, name, shards);
    let large: Evaluation | undefined;
    let waiting = 0;
    if (beside) {
      large = await start('large', 2 * concurrentShards);
      while (waiting < concurrentShards / 2) {
        await sleep(200);
        const { activities } = await readPendingActivities(temporal.client, 'large');
        waiting = activities.filter(({ state }) => state === 'scheduled').length;
      }
    }
    const began = performance.now();
    await (await start('small', SMALL_SHARDS)).result();
    const seconds = (performance.now() - began) / 1000;
    const largeDone =
      (await large?.progress())?.stages.find(({ name }) => name === 'evaluateJudge')?.done ?? 0;
    await large?.cancel();
    return { row, seconds, waiting, largeDone };
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
      concurrentShards: Math.min(shards, Number(options['concurrent-shards'])),
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
    head: ['the small run', 'seconds', 'ratio', "large run's shards waiting", 'done meanwhile'],
    style: { head: [], border: [] },
  });
  for (const { row, seconds, ratio, waiting, largeDone } of rows)
    table.push([row, seconds.toFixed(1), ratio.toFixed(2), waiting, largeDone]);
  console.log(table.toString());
}
