/**
 * Measures what recording costs in a folder and in a bucket, in one run: shards are worked on as a run does it, with a journal, a
 * lease, the usage ledger and a result, by answers that arrive at given rates.
 *
 *     node bench/store.ts [--seconds 20] [--shards 4] [--rates 25,250,max] [--latency 0] [--stores folder,s3] [--json]
 *
 * Prints for each store and rate (answers a second in a shard) the records a second, the time until a record is durable, the time
 * that a request waits for the ledger, the time in which a later attempt reads the journal, and for the bucket the requests and
 * their price for a million records. The bucket's server is versitygw on this machine; `--latency` holds each request back for so
 * many milliseconds.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { UsageLedgers } from '../src/runs/usage/usage-ledger.ts';
import { type ArtifactStore, openStore } from '../src/store/artifact-store.ts';
import { journalUri, readJournal } from '../src/store/journal.ts';
import type { AppendLog } from '../src/store/objects/object-store.ts';
import { resumeShard } from '../src/store/resume-shard.ts';
import { startFaultyProxy } from '../test/support/faulty-proxy.ts';
import { findVersitygw, NO_S3_SERVER, startS3Server } from '../test/support/s3-server.ts';

const { values: options } = parseArgs({
  options: {
    seconds: { type: 'string', default: '20' },
    shards: { type: 'string', default: '4' },
    rates: { type: 'string', default: '25,250,max' },
    latency: { type: 'string', default: '0' },
    stores: { type: 'string', default: 'folder,s3' },
    json: { type: 'boolean' },
  },
});
const [seconds, shards, latency] = [options.seconds, options.shards, options.latency].map(Number) as [
  number,
  number,
  number,
];
/** Records of a shard if they come as fast as they are taken. */
const RECORDS_AT_MOST = 20_000;
/** A judgment of some hundred tokens. */
const TEXT = 'The first response answers the question. '.repeat(45);
/** Amazon's list prices in us-east-1, in USD for a million requests; deletes cost nothing. */
const PRICES = { write: 5, read: 0.4, delete: 0 };
type RequestKind = keyof typeof PRICES;

interface Measurement {
  readonly store: string;
  /** Answers a second in each shard. */
  readonly rate: string;
  readonly records: number;
  readonly recordsPerSecond: number;
  /** Milliseconds from an answer until it is durable. */
  readonly durable: Percentiles;
  /** Milliseconds that a request waits until it may be sent. */
  readonly admitted: Percentiles;
  /** Milliseconds in which another attempt reads the journals of all shards, just before they end. */
  readonly readJournals: number;
  readonly requests: RequestCounts;
  readonly usdForMillionRecords: number;
}

interface Percentiles {
  readonly p50: number;
  readonly p99: number;
}

await main();

async function main(): Promise<void> {
  for (const store of options.stores.split(','))
    for (const rate of options.rates.split(',')) {
      const measurement = store === 's3' ? await inBucket(rate) : await inFolder(rate);
      console.log(options.json === true ? JSON.stringify(measurement) : lineOf(measurement));
    }
}

async function inFolder(rate: string): Promise<Measurement> {
  const folder = await mkdtemp(join(tmpdir(), 'bench-store-'));
  try {
    const counts = { write: 0, read: 0, delete: 0 };
    return await measure('folder', openStore(folder), rate, counts);
  } finally {
    await rm(folder, { recursive: true });
  }
}

async function inBucket(rate: string): Promise<Measurement> {
  const program = await findVersitygw();
  if (program === undefined) throw new Error(`--stores s3 ${NO_S3_SERVER}`);
  const server = await startS3Server(program);
  const proxy = await startFaultyProxy(server.environment['AWS_ENDPOINT_URL_S3'] ?? '');
  try {
    await server.createBucket('bench');
    Object.assign(process.env, server.environment, { AWS_ENDPOINT_URL_S3: proxy.url });
    const counts = { write: 0, read: 0, delete: 0 };
    proxy.delays(latency);
    proxy.breaks((request) => {
      counts[kindOf(request)] += 1;
      return undefined;
    });
    return await measure('s3', openStore('s3://bench/store'), rate, counts);
  } finally {
    await proxy.close();
    await server.close();
  }
}

/** Lists cost as much as puts. */
function kindOf({ method, path }: { readonly method: string; readonly path: string }): RequestKind {
  if (method === 'DELETE') return 'delete';
  return method === 'PUT' || method === 'POST' || /[?&](list-type|uploads)\b/.test(path) ? 'write' : 'read';
}

async function measure(
  name: string,
  store: ArtifactStore,
  rate: string,
  requests: Record<RequestKind, number>,
): Promise<Measurement> {
  const durable: number[] = [];
  const admitted: number[] = [];
  const watched = watchDurability(store, durable);
  const ledger = new UsageLedgers(store).forRun('run');
  const perShard = rate === 'max' ? RECORDS_AT_MOST : Number(rate) * seconds;
  const before = { ...requests };
  const startedAt = performance.now();
  const uris = Array.from({ length: shards }, (_, shard) => `run/judgments/shard-${shard}`);
  let working = shards;
  let readJournals = 0;
  let ofReading = minus(requests, requests);
  await Promise.all(uris.map((uri) => ledger.settleAfter(work(uri))));
  const took = (performance.now() - startedAt) / 1000;
  const records = shards * perShard;
  const spent = minus(minus(requests, before), ofReading);
  const usd = spent.write * PRICES.write + spent.read * PRICES.read;
  return {
    ...{ store: name, rate, records, recordsPerSecond: records / took },
    ...{ durable: percentiles(durable), admitted: percentiles(admitted), readJournals, requests: spent },
    usdForMillionRecords: usd / records,
  };

  async function work(uri: string): Promise<void> {
    let count = 0;
    const start = performance.now();
    await resumeShard<{ id: string }, { id: string; unit: string; text: string }, object>(watched, {
      uri,
      fingerprint: { schema: 1 },
      units: Array.from({ length: perShard }, (_, index) => ({ id: String(index) })),
      async processUnit({ id }, _existing, emit) {
        const mine = count;
        count += 1;
        if (rate !== 'max') {
          const due = start + (1000 * mine) / Number(rate);
          await sleep(Math.max(0, due - performance.now()));
        }
        const asked = performance.now();
        await ledger.admitRequest('seed', undefined);
        admitted.push(performance.now() - asked);
        await ledger.recordTokens('seed', { promptTokens: 500, completionTokens: 400 });
        emit({ id, unit: id, text: TEXT });
        if (mine === perShard - 1) await readAll();
      },
      assembleResults: (_unit, [record]) => (record === undefined ? [] : [record]),
      countResults: () => ({}),
      concurrency: 64,
      maxSkippedShare: 0,
      signal: new AbortController().signal,
      finishSeconds: 0,
      onProgress: () => undefined,
    });
  }

  /** What an attempt would read that takes over now; its requests are not counted. */
  async function readAll(): Promise<void> {
    working -= 1;
    if (working > 0) return;
    const counted = { ...requests };
    const began = performance.now();
    await Promise.all(uris.map((uri) => readJournal(store.objects, journalUri(uri))));
    readJournals = performance.now() - began;
    ofReading = minus(requests, counted);
  }
}

type RequestCounts = Readonly<Record<RequestKind, number>>;

function minus(counts: RequestCounts, others: RequestCounts): RequestCounts {
  return {
    write: counts.write - others.write,
    read: counts.read - others.read,
    delete: counts.delete - others.delete,
  };
}

/** The store, whose logs note for each line how long it took until it was synced. */
function watchDurability(store: ArtifactStore, milliseconds: number[]): ArtifactStore {
  const { objects } = store;
  const openLog = objects.openLog.bind(objects);
  objects.openLog = async (key) => {
    const log = await openLog(key);
    let waiting: number[] = [];
    const watched: AppendLog = {
      syncIntervalMs: log.syncIntervalMs,
      append(text) {
        const now = performance.now();
        for (const _ of text.matchAll(/\n/g)) waiting.push(now);
        return log.append(text);
      },
      async sync() {
        const syncing = waiting;
        waiting = [];
        await log.sync();
        const now = performance.now();
        for (const since of syncing) milliseconds.push(now - since);
      },
      close: () => log.close(),
    };
    return watched;
  };
  return store;
}

function percentiles(values: readonly number[]): Percentiles {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0;
  return { p50: at(0.5), p99: at(0.99) };
}

function lineOf(each: Measurement): string {
  const ms = ({ p50, p99 }: Percentiles) => `p50 ${p50.toFixed(1)} ms, p99 ${p99.toFixed(1)} ms`;
  const { write, read, delete: deleted } = each.requests;
  const rate = each.rate === 'max' ? 'as fast as possible' : `${each.rate} a second in each shard`;
  return [
    `${each.store}, ${shards} shards, ${rate}: ${each.records} records, ${each.recordsPerSecond.toFixed(0)} a second`,
    `  durable after ${ms(each.durable)}; a request waits ${ms(each.admitted)}; journals are read in ${each.readJournals.toFixed(0)} ms`,
    ...(each.store === 's3'
      ? [
          `  ${write} puts and lists, ${read} gets, ${deleted} deletes: ${each.usdForMillionRecords.toFixed(3)} $ for a million records`,
        ]
      : []),
  ].join('\n');
}
