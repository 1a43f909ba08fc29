import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stableHash } from '../../src/platform/stable-hash.ts';
import { startCluster, type Cluster } from './cluster.ts';
import { compareRuns, type Comparison } from './compare-runs.ts';
import { configurationFor, LONGEST_DELAY_MILLISECONDS, type EndpointName } from './configurations.ts';
import { monitorRun, type Aim, type MonitoredRun } from './disturbed-run.ts';
import type { StoreKind } from './stores.ts';
import type { TargetKind } from './targets.ts';
import { countRequests, type Interval, type RequestCounts } from './request-log.ts';

export interface ChaosOptions {
  readonly seed: number;
  readonly kills: number;
  readonly endpoint: EndpointName;
  readonly aim: Aim;
  readonly store: StoreKind;
  /** The number of worker processes, if there is one machine. */
  readonly workers: number;
  /** The number of machines with one worker each; 1 is this machine. */
  readonly machines: number;
  readonly python: string;
  readonly signal: AbortSignal;
  readonly log: (line: string) => void;
  /** Whether to keep the folder with the store and the logs; its path is logged. */
  readonly keep: boolean;
}

/** A machine that was killed is away for at most this time, less than a trainer's lease. */
const LONGEST_DOWNTIME_MILLISECONDS = 15_000;

/** A run with kills, compared with the run without. */
export interface DisturbedRun extends MonitoredRun {
  readonly comparison: Comparison;
  readonly requests: RequestCounts;
}

export interface ChaosOutcome {
  readonly baseline: MonitoredRun & { readonly requests: RequestCounts };
  readonly runs: readonly DisturbedRun[];
  /** How often a worker or the Temporal server exited without being killed. */
  readonly unexpectedExits: number;
}

/**
 * Runs the example without kills, then under other names until enough processes were killed, and compares each run with the
 * first.
 */
export async function runChaos(options: ChaosOptions): Promise<ChaosOutcome> {
  const { seed, endpoint, aim, store, workers, machines, python, signal, log } = options;
  const folder = await mkdtemp(join(tmpdir(), 'chaos-'));
  const requestLog = (runName: string) => join(folder, `${runName}-requests.jsonl`);
  const configure = (runName: string) =>
    configurationFor(endpoint, { runName, seed, aim, machines, requestLog: requestLog(runName) });
  const randomDowntime = seededRandom(seed, 'downtime');
  const downtime = () => randomDowntime() * LONGEST_DOWNTIME_MILLISECONDS;
  let cluster: Cluster | undefined;
  const logRun = ({ runName, seconds, longestPauseSeconds }: MonitoredRun) =>
    log(`${runName}: ${seconds.toFixed(0)} s, longest pause ${longestPauseSeconds.toFixed(1)} s`);
  try {
    cluster = await startCluster({ folder, python, store, workers, machines, downtime });
    const { storeFolder } = cluster;
    const baseline = await monitorRun(cluster, configure('undisturbed'), signal);
    logRun(baseline);
    const random = seededRandom(seed, 'chaos');
    const randomPartition = seededRandom(seed, 'partitions');
    const runs: DisturbedRun[] = [];
    for (;;) {
      const before = runs.flatMap(({ kills }) => kills);
      if (before.length >= options.kills) break;
      const runName = `disturbed-${runs.length + 1}`;
      const run = await monitorRun(cluster, configure(runName), signal, {
        ...{ aim, random, randomPartition, count: options.kills - before.length, before, log },
        longestDelayMilliseconds: LONGEST_DELAY_MILLISECONDS[endpoint],
      });
      logRun(run);
      const comparison = compareRuns(storeFolder, baseline.runName, runName);
      for (const difference of comparison.differences) log(`  ${difference}`);
      runs.push({
        ...run,
        comparison,
        requests: countRequests(requestLog(runName), interruptionsOf(run, store)),
      });
    }
    return {
      baseline: { ...baseline, requests: countRequests(requestLog(baseline.runName), []) },
      runs,
      unexpectedExits: [cluster.temporal, ...cluster.workers].reduce(
        (sum, { unexpectedExits }) => sum + unexpectedExits,
        0,
      ),
    };
  } finally {
    await cluster?.close();
    if (options.keep) log(`store and logs: ${folder}`);
    else await rm(folder, { recursive: true, force: true });
  }
}

/** A generator of numbers from 0 to 1 that the seed determines. */
function seededRandom(seed: number, purpose: string): () => number {
  let count = 0;
  return () => Number.parseInt(stableHash(seed, purpose, (count += 1)).slice(0, 8), 16) / 2 ** 32;
}

/** How much longer an answer may not be stored yet: a bucket takes it at the latest one second after it came. */
const STORING_MILLISECONDS: Record<StoreKind, number> = { folder: 0, s3: 500 };

/** When requests were interrupted: by a partition, and by every kill except that of a trainer or a server of the product's. */
function interruptionsOf({ kills, partitions }: MonitoredRun, store: StoreKind): Interval[] {
  const harmless: readonly TargetKind[] = ['trainer', 'Temporal server', 'S3 server'];
  const interrupting = kills
    .filter(({ kind }) => !harmless.includes(kind))
    .map(({ at }) => ({ from: at, to: at }));
  return [...interrupting, ...partitions].map(({ from, to }) => ({
    from: from - STORING_MILLISECONDS[store],
    to,
  }));
}
