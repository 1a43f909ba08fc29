import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runUndisturbed, runUnderChaos, type WatchedRun } from './chaos-run.ts';
import { startCluster } from './cluster.ts';
import { compareRuns, type Comparison } from './compare-runs.ts';
import { configurationFor, LONGEST_DELAY_MILLISECONDS, type EndpointName } from './configurations.ts';
import { Draws } from './draws.ts';
import type { Kill } from './kill.ts';
import { countAskings, type Askings } from './request-log.ts';
import { countSteps, trainerStartSeconds, type Steps } from './training-steps.ts';

export interface ChaosOptions {
  readonly seed: number;
  readonly kills: number;
  readonly endpoint: EndpointName;
  readonly workers: number;
  readonly python: string;
  readonly signal: AbortSignal;
  readonly log: (line: string) => void;
  /** Leave the folder with store and logs for a look; its path is logged. */
  readonly keep: boolean;
}

/** A disturbed run beside the undisturbed one. */
export interface DisturbedRun extends WatchedRun {
  readonly comparison: Comparison;
  readonly askings: Askings;
  readonly steps: Steps;
}

export interface ChaosOutcome {
  readonly undisturbed: WatchedRun & {
    readonly askings: Askings;
    readonly trainerStartSeconds: number | null;
  };
  readonly runs: readonly DisturbedRun[];
  /** How often a worker or the Temporal server ended though nobody had killed it. */
  readonly endedByThemselves: number;
}

/**
 * Runs the example undisturbed, then again and again under other names until so many processes were killed, and
 * compares each with the first.
 */
export async function runChaos(options: ChaosOptions): Promise<ChaosOutcome> {
  const { seed, kills: wanted, endpoint, workers, python, signal, log } = options;
  const folder = await mkdtemp(join(tmpdir(), 'chaos-'));
  const requestLog = (runName: string) => join(folder, `${runName}-requests.jsonl`);
  const configure = (runName: string) =>
    configurationFor(endpoint, { runName, seed, requestLog: requestLog(runName) });
  const cluster = await startCluster({ folder, python, workers });
  try {
    const { storeRoot } = cluster;
    const calm = await runUndisturbed(cluster, configure('undisturbed'), signal);
    log(`undisturbed: ${calm.seconds.toFixed(0)} s, longest pause ${calm.longestPauseSeconds.toFixed(1)} s`);
    const draws = new Draws(seed);
    const runs: DisturbedRun[] = [];
    for (;;) {
      const before = runs.flatMap(({ kills }) => kills);
      if (before.length >= wanted) break;
      const runName = `disturbed-${runs.length + 1}`;
      const run = await runUnderChaos(cluster, configure(runName), {
        ...{ draws, most: wanted - before.length, before, signal, log },
        longestDelayMilliseconds: LONGEST_DELAY_MILLISECONDS[endpoint],
      });
      const comparison = compareRuns(storeRoot, calm.runName, runName);
      const askings = countAskings(requestLog(runName), cutOffTimes(run.kills));
      runs.push({ ...run, comparison, askings, steps: countSteps(storeRoot, runName) });
      log(`${runName}: ${run.seconds.toFixed(0)} s, longest pause ${run.longestPauseSeconds.toFixed(1)} s`);
      for (const difference of comparison.differences) log(`  ${difference}`);
    }
    const undisturbed = {
      ...calm,
      askings: countAskings(requestLog(calm.runName), []),
      trainerStartSeconds: trainerStartSeconds(storeRoot, calm.runName),
    };
    const supervised = [cluster.temporal, ...cluster.workers];
    return {
      undisturbed,
      runs,
      endedByThemselves: supervised.reduce((sum, { endedByItself }) => sum + endedByItself, 0),
    };
  } finally {
    await cluster.close();
    if (options.keep) log(`store and logs: ${folder}`);
    else await rm(folder, { recursive: true, force: true });
  }
}

/** The kills that cut requests off: a request outlives the Temporal server and a trainer. */
function cutOffTimes(kills: readonly Kill[]): number[] {
  return kills.filter(({ kind }) => kind === 'worker' || kind === 'model server').map(({ at }) => at);
}
