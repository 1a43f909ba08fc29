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
/** Twice as likely as the others: what dies with a worker is the most. */
const WEIGHTS: Record<Kind, number> = { worker: 4, trainer: 1, 'model server': 1, 'Temporal server': 1 };
/** The share of kills that follow the one before at once, whether anything has recovered or not. */
const SHARE_AT_ONCE = 0.25;
/** A run that has got nothing done for so long has not survived; also a slow machine is faster. */
const STUCK_SECONDS = 240;

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
    // Before, there is little to lose; and a start that finds no worker for 15 s is refused, by design.
    while (!watch.events.some(({ kind }) => kind === 'record') && !isOver()) await sleep(50);
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
      const target = draws.pick(candidates, ({ kind }) => WEIGHTS[kind] / (1 + times(kind)) ** 2);
      if (target === undefined) continue;
      const killed = await kill(target, watch, last);
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
    const ended = awaitEnd(cluster, watch, runName, signal).finally(() => (over = true));
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
async function awaitEnd(
  { client }: Cluster,
  watch: ProgressWatch,
  runName: string,
  signal: AbortSignal,
): Promise<void> {
  const began = Date.now();
  for (;;) {
    signal.throwIfAborted();
    if (Date.now() - (watch.events.at(-1)?.at ?? began) > STUCK_SECONDS * 1000)
      throw new Error(`the run ${runName} has got nothing done for ${STUCK_SECONDS} s`);
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
