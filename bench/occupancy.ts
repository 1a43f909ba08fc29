/**
 * `npm run bench:occupancy`: measures how busy a stage keeps its endpoint. The real workflow `evaluateJudge` with a worker and a Temporal
 * server in processes of their own asks a simulated server, which works on 256 samples at once, for 20,000 samples with log-normal latencies.
 *
 *     npm run bench:occupancy -- [--requests 20000] [--medians 3,5,8] [--samples 1] [--shard-size 200] [--scale 1]
 *         [--in-flight 256] [--workers 1] [--beside FOLDER] [--json]
 *
 * `--samples` asks for so many in each request, of which there are fewer then. `--scale 0.1` makes all latencies a tenth, for a
 * quick look. `--beside` measures the worker of another checkout at the same time.
 *
 * Prints the share of the places that are busy between the first request and the start of the last sample, and the whole time as a ratio
 * to ideal list scheduling: the same latencies in the same order, each begun as soon as a place is free.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import Table from 'cli-table3';
import { startEvaluation } from '../src/client/index.ts';
import { packageRoot } from '../src/platform/package-root.ts';
import { runTool } from '../tools/setup/run-tool.ts';
import type { SampleTimes, ServerSettings } from './simulation/model-server.ts';
import { startTemporal, startWorker, type Temporal } from './throughput/contenders.ts';

const { values: options } = parseArgs({
  options: {
    requests: { type: 'string', default: '20000' },
    medians: { type: 'string', default: '3,5,8' },
    samples: { type: 'string', default: '1' },
    'shard-size': { type: 'string', default: '200' },
    'in-flight': { type: 'string', default: '256' },
    scale: { type: 'string', default: '1' },
    workers: { type: 'string', default: '1' },
    beside: { type: 'string' },
    json: { type: 'boolean', default: false },
  },
});
const PLACES = 256;
const SIGMA = 0.6;
const MAX_SECONDS = 30;
/** Requests for each item of the benchmark, one in each order. */
const REQUESTS_OF_ITEM = 2;

interface Occupancy {
  readonly version: string;
  readonly medianSeconds: number;
  readonly samples: number;
  readonly requests: number;
  /** The busy share of the places until the last sample began, and the samples in the server's queue at the mean. */
  readonly busyShare: number;
  readonly meanQueue: number;
  /** The most samples at the server, at work or in its queue. */
  readonly mostAtServer: number;
  readonly seconds: number;
  readonly idealSeconds: number;
  /** Events in the history of the stage for each shard. */
  readonly eventsPerShard: number;
}

await runTool(async () => {
  const folder = await mkdtemp(join(tmpdir(), 'occupancy-'));
  const temporal = await startTemporal(join(folder, 'temporal'));
  try {
    const versions = {
      here: packageRoot,
      ...(options.beside === undefined ? {} : { beside: resolve(options.beside) }),
    };
    const results: Occupancy[] = [];
    for (const median of options.medians.split(',').map(Number)) {
      const measured = Object.entries(versions).map(([version, root]) =>
        measure(version, root, temporal, join(folder, `${version}-${median}`), median),
      );
      results.push(...(await Promise.all(measured)));
    }
    report(results);
  } finally {
    await temporal.stop();
    await rm(folder, { recursive: true, force: true });
  }
});

async function measure(
  version: string,
  root: string,
  temporal: Temporal,
  folder: string,
  medianSeconds: number,
): Promise<Occupancy> {
  const [samples, scale, shardSize] = [options.samples, options.scale, options['shard-size']].map(Number) as [
    number,
    number,
    number,
  ];
  const items = Math.ceil(Number(options.requests) / samples / REQUESTS_OF_ITEM);
  await mkdir(folder, { recursive: true });
  const benchmark = join(folder, 'benchmark.jsonl');
  await writeFile(
    benchmark,
    Array.from({ length: items }, (_, item) => `${JSON.stringify(itemOf(item))}\n`),
  );
  const settings: ServerSettings = {
    places: PLACES,
    medianSeconds: scale * medianSeconds,
    sigma: SIGMA,
    maxSeconds: scale * MAX_SECONDS,
  };
  const script = fileURLToPath(new URL('simulation/model-server.ts', import.meta.url));
  const server = fork(script, [JSON.stringify(settings)], { serialization: 'advanced' });
  const [baseUrl] = (await once(server, 'message')) as [string];
  const taskQueue = `occupancy-${version}-${medianSeconds}`;
  const workers = await Promise.all(
    Array.from({ length: Number(options.workers) }, (_, index) =>
      startWorker(
        root,
        temporal,
        folder,
        ['--task-queue', taskQueue, '--max-requests-in-flight', options['in-flight']],
        `worker-${index}`,
      ),
    ),
  );
  try {
    const evaluation = await startEvaluation(
      temporal.client,
      {
        runName: taskQueue,
        serving: { kind: 'endpoint', baseUrl, servedModelName: 'judge' },
        evaluation: {
          benchmarks: [{ name: 'test', format: 'reward-bench', path: benchmark }],
          votes: samples,
          shardSize,
          ...(samples === 1 ? {} : { sampling: { temperature: 0.7, topP: 0.9, maxTokens: 2048 } }),
        },
      },
      { taskQueue },
    );
    await evaluation.result();
    const times = once(server, 'message') as Promise<[SampleTimes[]]>;
    server.send('report');
    const events = await stageEvents(temporal, `${evaluation.workflowId}`);
    return {
      ...{ version, medianSeconds, samples, requests: REQUESTS_OF_ITEM * items },
      ...occupancyOf((await times)[0]),
      eventsPerShard: events / Math.ceil(items / shardSize),
    };
  } finally {
    await Promise.all(workers.map((worker) => worker.stop()));
    server.disconnect();
  }
}

function itemOf(item: number): object {
  return {
    id: item,
    prompt: `Question ${item}?`,
    chosen: 'yes',
    chosen_model: 'a',
    rejected: 'no',
    rejected_model: 'b',
    subset: 'all',
  };
}

async function stageEvents({ client }: Temporal, workflowId: string): Promise<number> {
  let events = 0;
  for await (const { type, historyLength, workflowId: id } of client.workflow.list())
    if (type === 'mapShards' && id.startsWith(workflowId)) events += historyLength;
  return events;
}

function occupancyOf(times: readonly SampleTimes[]) {
  const begin = Math.min(...bounds(times, 'arrived'));
  const lastStart = Math.max(...bounds(times, 'started'));
  const busySeconds = times.reduce(
    (sum, { started, ended }) => sum + Math.min(ended, lastStart) - started,
    0,
  );
  const queueSeconds = times.reduce((sum, { arrived, started }) => sum + started - arrived, 0);
  return {
    busyShare: busySeconds / (PLACES * (lastStart - begin)),
    meanQueue: queueSeconds / (lastStart - begin),
    mostAtServer: mostAtServer(times),
    seconds: Math.max(...bounds(times, 'ended')) - begin,
    idealSeconds: listSchedule(times.map(({ started, ended }) => ended - started)),
  };
}

function mostAtServer(times: readonly SampleTimes[]): number {
  const changes = times.flatMap(({ arrived, ended }) => [
    { at: arrived, by: 1 },
    { at: ended, by: -1 },
  ]);
  let now = 0;
  return changes
    .sort((one, other) => one.at - other.at || one.by - other.by)
    .reduce((most, { by }) => Math.max(most, (now += by)), 0);
}

function bounds(times: readonly SampleTimes[], name: keyof SampleTimes): [number, number] {
  return times.reduce(
    ([least, most], { [name]: time }) => [Math.min(least, time), Math.max(most, time)],
    [Infinity, -Infinity],
  );
}

/** When the last sample ends if each begins, in their order, in the place that is free first. */
function listSchedule(seconds: readonly number[]): number {
  const free = new Float64Array(PLACES);
  for (const each of seconds) {
    let first = 0;
    for (let place = 1; place < PLACES; place++) if (free[place]! < free[first]!) first = place;
    free[first]! += each;
  }
  return Math.max(...free);
}

function report(results: readonly Occupancy[]): void {
  if (options.json) {
    for (const result of results) console.log(JSON.stringify(result));
    return;
  }
  const table = new Table({
    head: [
      'version',
      'median',
      'samples',
      'requests',
      'busy',
      'queue',
      'most',
      'seconds',
      'ideal',
      'ratio',
      'events/shard',
    ],
    style: { head: [], border: [] },
  });
  for (const { version, medianSeconds, samples, requests, ...result } of results)
    table.push([
      version,
      `${medianSeconds} s`,
      samples,
      requests,
      `${(100 * result.busyShare).toFixed(1)}%`,
      result.meanQueue.toFixed(0),
      result.mostAtServer,
      result.seconds.toFixed(1),
      result.idealSeconds.toFixed(1),
      (result.seconds / result.idealSeconds).toFixed(3),
      result.eventsPerShard.toFixed(1),
    ]);
  console.log(table.toString());
}
