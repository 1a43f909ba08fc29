import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { failureMessage, findRun, startRun, type ConfigurationInput } from '../../src/client.ts';
import type { Cluster } from './cluster.ts';
import type { Draws } from './draws.ts';
import { awaitRecovery, kill, type Kill } from './kill.ts';
import { ProgressWatch } from './progress-watch.ts';
import { findTargets, type Kind } from './targets.ts';

/** Training takes a small part of a run: so large a share of all kills waits for a trainer. */
const SHARE_OF_TRAINERS = 0.2;
/** The share of kills that follow the one before at once, whether anything has recovered or not. */
const SHARE_AT_ONCE = 0.25;

export interface WatchedRun {
  readonly runName: string;
  readonly kills: readonly Kill[];
  readonly longestPauseSeconds: number;
  readonly seconds: number;
}

/** Runs to the end with nothing in the way. */
export async function runUndisturbed(
  cluster: Cluster,
  configuration: ConfigurationInput,
  signal: AbortSignal,
): Promise<WatchedRun> {
  return watchRun(cluster, configuration, signal, async () => []);
}

/**
 * Runs to the end while `most` processes are killed, or fewer where the run ends before. Which and when follows from
 * the draws and from what there is to kill; the kinds that were killed least often are the likeliest.
 */
export async function runUnderChaos(
  cluster: Cluster,
  configuration: ConfigurationInput,
  options: {
    draws: Draws;
    longestDelayMilliseconds: number;
    most: number;
    before: readonly Kill[];
    signal: AbortSignal;
    log: (line: string) => void;
  },
): Promise<WatchedRun> {
  const { draws, longestDelayMilliseconds, most, before, signal, log } = options;
  const { runName } = configuration;
  return watchRun(cluster, configuration, signal, async (watch, isOver) => {
    const kills: Kill[] = [];
    // A start that finds no worker for 15 s is refused before any work, by design.
    while (!watch.events.some(({ path }) => path.startsWith('instructions/')) && !isOver()) await sleep(50);
    while (kills.length < most) {
      const last = kills.at(-1);
      const atOnce = draws.next() < SHARE_AT_ONCE;
      const delay = draws.next() * longestDelayMilliseconds;
      if (last !== undefined && !atOnce) await awaitRecovery(last, watch, isOver);
      await sleep(atOnce ? delay / 3 : delay);
      // Recovered meanwhile, though nobody waited for it?
      if (last !== undefined) await awaitRecovery(last, watch, () => true);
      if (isOver()) break;
      const times = (kind: Kind) => [...before, ...kills].filter((other) => other.kind === kind).length;
      const targets = await findTargets(cluster, runName);
      const trainersDue = Math.ceil(SHARE_OF_TRAINERS * (before.length + most)) - times('trainer');
      const candidates =
        kills.length + trainersDue < most ? targets : targets.filter(({ kind }) => kind === 'trainer');
      const target = draws.pick(candidates, ({ kind }) => 1 / (1 + times(kind)) ** 2);
      if (target === undefined) continue;
      const killed = await kill(target, watch);
      kills.push(killed);
      log(
        `${timeOf(killed.at)}  ${before.length + kills.length}. ${target.kind} (process ${target.pid})${after(last)}`,
      );
    }
    const last = kills.at(-1);
    if (last !== undefined) await awaitRecovery(last, watch, isOver);
    return kills;
  });
}

function timeOf(milliseconds: number): string {
  return new Date(milliseconds).toISOString().slice(11, 23);
}

function after(previous: Kill | undefined): string {
  if (previous === undefined) return '';
  return previous.recoverySeconds === undefined
    ? `, before there was progress after the ${previous.kind}`
    : `; progress ${previous.recoverySeconds.toFixed(1)} s after the ${previous.kind}`;
}

async function watchRun(
  cluster: Cluster,
  configuration: ConfigurationInput,
  signal: AbortSignal,
  disturb: (watch: ProgressWatch, isOver: () => boolean) => Promise<Kill[]>,
): Promise<WatchedRun> {
  const { runName } = configuration;
  const began = Date.now();
  const watch = new ProgressWatch(join(cluster.storeRoot, runName));
  try {
    await startRun(cluster.client, configuration);
    let over = false;
    const ended = awaitEnd(cluster, runName, signal).finally(() => (over = true));
    // A failed run ends the kills too; its error is thrown below.
    ended.catch(() => undefined);
    const kills = await disturb(watch, () => over);
    await ended;
    watch.look();
    return {
      runName,
      kills,
      longestPauseSeconds: watch.longestPauseSeconds(),
      seconds: (Date.now() - began) / 1000,
    };
  } finally {
    watch.close();
  }
}

/** Asks again and again how the run is: a call that waits for the end would break off with the server. */
async function awaitEnd({ client }: Cluster, runName: string, signal: AbortSignal): Promise<void> {
  for (;;) {
    signal.throwIfAborted();
    const status = await client.workflow
      .getHandle(runName)
      .describe()
      .then(
        ({ status: { name } }) => name,
        () => 'UNKNOWN',
      );
    if (status === 'COMPLETED') return;
    if (status !== 'RUNNING' && status !== 'UNKNOWN') {
      const error: unknown = await findRun(client, runName)
        .result()
        .catch((thrown: unknown) => thrown);
      throw new Error(`the run ${runName} ended as ${status}: ${failureMessage(error)}`);
    }
    await sleep(200);
  }
}
