import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { failureMessage, findRun, startRun, type ConfigurationInput } from '../../src/client/index.ts';
import type { Cluster } from './cluster.ts';
import { ProgressMonitor } from './progress-monitor.ts';
import type { Interval } from './request-log.ts';
import { findTargets, type Target, type TargetKind } from './targets.ts';

/** Training is a small part of a run, so this share of the kills waits for a trainer. */
const SHARE_OF_TRAINERS = 0.2;
/** Workers are killed more often than others, because a worker's death interrupts the most. */
const WEIGHTS: Record<TargetKind, number> = {
  worker: 2,
  trainer: 1,
  'model server': 1,
  'Temporal server': 1,
  'S3 server': 1,
  machine: 1,
};
/** How long a machine is cut off from the network (shorter and longer than a trainer's lease), and the time in between. */
const PARTITION_SECONDS = { least: 5, most: 45, between: 60 };
/** What a machine is cut off from; the Temporal server runs on this machine. */
const CUT_OFF_FROM = ['everything', 'machines', 'this process'] as const;
/** The share of kills that do not wait until there is progress after the previous kill. */
const SHARE_WITHOUT_RECOVERY = 0.25;
/** A run without progress for so long counts as failed; slow machines need much less. */
const MAX_SECONDS_WITHOUT_PROGRESS = 240;

/** Progress seen so soon after a kill was made before it. */
const SCAN_TOLERANCE_MILLISECONDS = 200;

/** A process or machine that was killed. */
export interface Kill {
  readonly kind: TargetKind;
  /** Whether a trainer was killed with it. */
  readonly trains: boolean;
  /** When the process was gone, in milliseconds since the epoch. */
  readonly at: number;
  /** How many stages were asking a model. */
  readonly stages: number;
  /** Time until the next progress; undefined if there was none before the next kill or the end of the run. */
  recoverySeconds: number | undefined;
}

export interface MonitoredRun {
  readonly runName: string;
  readonly kills: readonly Kill[];
  readonly partitions: readonly Interval[];
  readonly longestPauseSeconds: number;
  readonly seconds: number;
  /** Everything that its progress said it waited for. */
  readonly waits: readonly string[];
}

/**
 * What is killed: anything; anything, at least once while two stages ask a model; or only trainers in the middle of their training,
 * each with its machine if it has one of its own.
 */
export const AIMS = ['anything', 'overlaps', 'trainers'] as const;
export type Aim = (typeof AIMS)[number];

export interface KillPlan {
  readonly aim: Aim;
  /** Random numbers from 0 to 1. */
  readonly random: () => number;
  /** The same for the times and kinds of the partitions between machines. */
  readonly randomPartition: () => number;
  /** The next kill follows progress within this time. */
  readonly longestDelayMilliseconds: number;
  readonly count: number;
  /** The kills of the runs before. */
  readonly before: readonly Kill[];
  readonly log: (line: string) => void;
}

/** Runs a configuration to its end, without kills or with those of a plan; fewer if the run ends before. */
export async function monitorRun(
  cluster: Cluster,
  configuration: ConfigurationInput,
  signal: AbortSignal,
  plan?: KillPlan,
): Promise<MonitoredRun> {
  const { runName } = configuration;
  const startedAt = Date.now();
  const monitor = new ProgressMonitor(join(cluster.storeFolder, runName));
  try {
    await startRun(cluster.client, configuration);
    let hasEnded = false;
    const end = awaitEnd(cluster, monitor, runName, signal).finally(() => (hasEnded = true));
    // A failed run also ends the kills; its error is thrown below.
    end.catch(() => undefined);
    const partitions: Interval[] = [];
    const partitioning =
      plan !== undefined && plan.aim !== 'trainers'
        ? partitionMachines(cluster, monitor, partitions, () => hasEnded, plan)
        : undefined;
    partitioning?.catch(() => undefined);
    const waits = watchWaits(cluster, runName, () => hasEnded);
    const kills =
      plan === undefined ? [] : await killTargets(cluster, runName, monitor, () => hasEnded, plan);
    await end;
    await partitioning;
    monitor.scan();
    return {
      runName,
      kills,
      partitions,
      longestPauseSeconds: monitor.longestPauseSeconds(),
      seconds: (Date.now() - startedAt) / 1000,
      waits: await waits,
    };
  } finally {
    monitor.close();
  }
}

async function watchWaits(
  { client }: Cluster,
  runName: string,
  hasEnded: () => boolean,
): Promise<readonly string[]> {
  const reasons = new Set<string>();
  while (!hasEnded()) {
    // Nobody answers while no worker runs.
    const progress = await findRun(client, runName)
      .progress()
      .catch(() => undefined);
    for (const { reason } of progress?.waits ?? []) reasons.add(reason);
    await sleep(1000);
  }
  return [...reasons];
}

async function killTargets(
  cluster: Cluster,
  runName: string,
  monitor: ProgressMonitor,
  hasEnded: () => boolean,
  { aim, random, longestDelayMilliseconds, count, before, log }: KillPlan,
): Promise<Kill[]> {
  const kills: Kill[] = [];
  await awaitRecords(monitor, hasEnded);
  while (kills.length < count) {
    const last = kills.at(-1);
    const isImmediate = random() < SHARE_WITHOUT_RECOVERY;
    const delay = random() * longestDelayMilliseconds;
    if (!isImmediate) await awaitRecovery(last, monitor, hasEnded);
    await sleep(isImmediate ? delay / 3 : delay);
    // A kill that was not waited for may have been recovered from as well.
    await awaitRecovery(last, monitor, () => true);
    const all = [...before, ...kills];
    if (aim === 'overlaps' && all.length > 0 && all.every(({ stages }) => stages < 2))
      while (monitor.stagesUnderWay < 2 && !hasEnded()) await sleep(50);
    if (hasEnded()) break;
    const times = (kind: TargetKind) => all.filter((other) => other.kind === kind).length;
    const trainers = all.filter(({ trains }) => trains).length;
    const trainersDue = Math.ceil(SHARE_OF_TRAINERS * (before.length + count)) - trainers;
    const needsTrainer = kills.length + trainersDue >= count;
    const targets = await findTargets(cluster, runName);
    const target = leastKilled(
      targets.filter(({ trains, hasStepped }) => (aim === 'trainers' ? hasStepped : trains || !needsTrainer)),
      times,
      random,
    );
    if (target === undefined) continue;
    if (!(await target.kill())) continue;
    const at = Date.now();
    // Records progress from before the kill that was not seen yet.
    monitor.scan();
    const { kind, name, pid, trains } = target;
    kills.push({ kind, trains, at, stages: monitor.stagesUnderWay, recoverySeconds: undefined });
    const recovery = last?.recoverySeconds?.toFixed(1);
    log(
      `${clockTime(at)}  ${all.length + 1}. ${kind} ${name ?? `(process ${pid})`}` +
        (name !== undefined && trains ? ', which trains' : '') +
        (last === undefined
          ? ''
          : `, ${recovery === undefined ? 'no progress' : `progress ${recovery} s`} after the previous kill`),
    );
  }
  await awaitRecovery(kills.at(-1), monitor, hasEnded);
  return kills;
}

/** Cuts machines off from the network for a while, one after another, until the run ends. */
async function partitionMachines(
  { machines }: Cluster,
  monitor: ProgressMonitor,
  partitions: Interval[],
  hasEnded: () => boolean,
  { randomPartition: random, log }: KillPlan,
): Promise<void> {
  const { least, most, between } = PARTITION_SECONDS;
  const wait = async (seconds: number) => {
    for (const end = Date.now() + seconds * 1000; Date.now() < end && !hasEnded();) await sleep(50);
  };
  await awaitRecords(monitor, hasEnded);
  while (machines !== undefined && !hasEnded()) {
    await wait(random() * between);
    const running = [...machines.values()];
    const from = choose(CUT_OFF_FROM, random);
    const machine = choose(running, random);
    const seconds = least + random() * (most - least);
    if (machine === undefined || from === undefined || hasEnded()) continue;
    const cutOff = from === 'machines' ? running : [machine];
    const start = Date.now();
    log(`${clockTime(start)}  ${machine.name} is cut off from ${from} for ${seconds.toFixed(0)} s`);
    await Promise.all(cutOff.map((each) => each.cutOff(from)));
    await wait(seconds);
    await Promise.all(cutOff.map((each) => each.reconnect()));
    partitions.push({ from: start, to: Date.now() });
  }
}

/** Without records there is nothing to lose, and a start that finds no worker for 15 s is rejected by design. */
async function awaitRecords(monitor: ProgressMonitor, hasEnded: () => boolean): Promise<void> {
  while (!monitor.hasRecords && !hasEnded()) await sleep(50);
}

function clockTime(at: number): string {
  return new Date(at).toISOString().slice(11, 23);
}

function choose<T>(items: readonly T[], random: () => number): T | undefined {
  return items[Math.floor(random() * items.length)];
}

/** A random target of the kind that was killed least often. */
function leastKilled(
  targets: readonly Target[],
  times: (kind: TargetKind) => number,
  random: () => number,
): Target | undefined {
  const rates = targets.map(({ kind }) => times(kind) / WEIGHTS[kind]);
  const candidates = targets.filter((_, index) => rates[index] === Math.min(...rates));
  return choose(candidates, random);
}

/** Waits for progress after a kill, or until `isOver`. */
async function awaitRecovery(
  kill: Kill | undefined,
  monitor: ProgressMonitor,
  isOver: () => boolean,
): Promise<void> {
  while (kill !== undefined && kill.recoverySeconds === undefined) {
    const time = monitor.times.find((each) => each > kill.at + SCAN_TOLERANCE_MILLISECONDS);
    if (time !== undefined) kill.recoverySeconds = (time - kill.at) / 1000;
    else if (isOver()) return;
    else await sleep(50);
  }
}

/** Polls the run's status, because a call that waits for the result would fail when the server is killed. */
async function awaitEnd(
  { client }: Cluster,
  monitor: ProgressMonitor,
  runName: string,
  signal: AbortSignal,
): Promise<void> {
  const startedAt = Date.now();
  for (;;) {
    signal.throwIfAborted();
    if (Date.now() - (monitor.times.at(-1) ?? startedAt) > MAX_SECONDS_WITHOUT_PROGRESS * 1000)
      throw new Error(`the run ${runName} has made no progress for ${MAX_SECONDS_WITHOUT_PROGRESS} s`);
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
