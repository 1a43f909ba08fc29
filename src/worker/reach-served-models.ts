/**
 * Decides which machines' served models this worker process works on: it tries to reach the models that other machines
 * announce, and listens to the task queues of those machines that it reaches.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { ServerLog } from '../models/serving/monitor-server.ts';
import { isLoopback } from '../models/serving/serve-host.ts';
import {
  LEASE_SECONDS,
  readServedModels,
  RENEW_SECONDS,
  type ServedModelPlace,
  type ServedModels,
  withdrawServedModels,
} from '../models/serving/served-models.ts';
import { hostAndPort, isHealthy } from '../models/serving/server-process.ts';
import { removeUnreachableNote, writeUnreachableNote } from '../models/serving/unreachable-notes.ts';
import type { ObjectStore } from '../store/objects/object-store.ts';

/** Work on the models of one machine. */
export interface MachineWork {
  /** Resolves when it has ended, also if it has failed. */
  readonly ended: Promise<void>;
  /** Takes no more work; work in flight is handed to other workers after the grace time. */
  stop(): void;
}

export interface ReachOptions {
  readonly objects: ObjectStore;
  /** This machine. Its own models are always worked on. */
  readonly machine: string;
  readonly log: ServerLog;
  /** Starts to work on the models of a machine. */
  readonly startWork: (machine: string) => Promise<MachineWork>;
  /** Time between two checks. */
  readonly checkSeconds?: number;
}

const CHECK_SECONDS = 2;
const PROBE_TIMEOUT_SECONDS = 5;
/** A model that doesn't answer is not given up at once, because its server may be restarting or very busy. */
const MAX_FAILED_CHECKS = 3;

/** The state of a machine as this process has last seen it. */
interface KnownMachine {
  renewal: string;
  /** When the renewal was first seen, in milliseconds of the clock of this process. */
  renewedAt: number;
  /** How many checks in a row have failed. */
  failedChecks: number;
  work: MachineWork | undefined;
  /** The last note that this process has written for the machine. */
  note: { readonly text: string; readonly writtenAt: number } | undefined;
}

/** Works on the models of other machines until the signal aborts; resolves when all this work has ended. */
export async function reachServedModels(options: ReachOptions, signal: AbortSignal): Promise<void> {
  const { objects, machine: ownMachine, log, startWork, checkSeconds = CHECK_SECONDS } = options;
  const machines = new Map<string, KnownMachine>();
  const running = new Set<Promise<void>>();
  let problem: string | undefined;
  while (!signal.aborted) {
    try {
      await check();
      problem = undefined;
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      if (message !== problem) log('warn', `Can't look for models that other machines serve: ${message}`);
      problem = message;
    }
    await sleep(1000 * checkSeconds, undefined, { ref: false, signal }).catch(() => undefined);
  }
  for (const { work } of machines.values()) work?.stop();
  await Promise.all([
    ...running,
    ...[...machines].map(([machine, known]) => withdrawNote(machine, known).catch(() => undefined)),
  ]);

  async function check(): Promise<void> {
    const announced = (await readServedModels(objects)).filter(({ machine }) => machine !== ownMachine);
    for (const [machine, known] of machines) {
      if (announced.some((other) => other.machine === machine)) continue;
      stopWork(known);
      await withdrawNote(machine, known);
      machines.delete(machine);
    }
    await Promise.all(announced.map(checkMachine));
  }

  async function checkMachine({ machine, renewal, models }: ServedModels): Promise<void> {
    const known = machines.get(machine) ?? newMachine(renewal);
    machines.set(machine, known);
    if (known.renewal !== renewal) Object.assign(known, { renewal, renewedAt: performance.now() });
    const ready = models.filter(({ isReady }) => isReady);
    const unreachable = await unreachableModels(ready);
    if (signal.aborted) return;
    if (unreachable.length === 0) {
      known.failedChecks = 0;
      await withdrawNote(machine, known);
      if (ready.length > 0) await ensureWork(machine, known);
      return;
    }
    known.failedChecks += 1;
    if (known.failedChecks < MAX_FAILED_CHECKS) return;
    stopWork(known);
    const isGone = performance.now() - known.renewedAt > 1000 * LEASE_SECONDS;
    if (!isGone) return writeNote(machine, known, unreachable);
    await withdrawNote(machine, known);
    // If the machine comes back, it announces its models again.
    await withdrawServedModels(objects, machine);
  }

  async function ensureWork(machine: string, known: KnownMachine): Promise<void> {
    if (known.work !== undefined) return;
    const work = await startWork(machine);
    known.work = work;
    log('info', `This worker takes shards of the models that ${machine} serves.`);
    const ended = work.ended.finally(() => {
      running.delete(ended);
      if (known.work === work) known.work = undefined;
    });
    running.add(ended);
    // The process may have begun to stop meanwhile.
    if (signal.aborted) work.stop();
  }

  function stopWork(known: KnownMachine): void {
    known.work?.stop();
    known.work = undefined;
  }

  /** Says in the log, once, and in a note, which is renewed, why this worker takes no shards of a machine's models. */
  async function writeNote(
    machine: string,
    known: KnownMachine,
    unreachable: readonly ServedModelPlace[],
  ): Promise<void> {
    const reasons = Object.fromEntries(
      unreachable.map((model) => [model.baseUrl, unreachableReason(model, machine, ownMachine)]),
    );
    const text = Object.values(reasons).join('; ');
    if (text !== known.note?.text)
      log('warn', `This worker takes no shards of the models that ${machine} serves: ${text}.`);
    else if (performance.now() - known.note.writtenAt < 1000 * RENEW_SECONDS) return;
    await writeUnreachableNote(objects, machine, ownMachine, reasons);
    known.note = { text, writtenAt: performance.now() };
  }

  async function withdrawNote(machine: string, known: KnownMachine): Promise<void> {
    if (known.note === undefined) return;
    await removeUnreachableNote(objects, machine, ownMachine);
    known.note = undefined;
  }
}

function newMachine(renewal: string): KnownMachine {
  return { renewal, renewedAt: performance.now(), failedChecks: 0, work: undefined, note: undefined };
}

/** A loopback address of another machine can't be reached: at that address, this machine has other servers. */
async function unreachableModels(models: readonly ServedModelPlace[]): Promise<ServedModelPlace[]> {
  const reached = await Promise.all(
    models.map(async (model) => !isLoopback(model.host) && (await isHealthy(model, PROBE_TIMEOUT_SECONDS))),
  );
  return models.filter((_, index) => reached[index] === false);
}

/** Why a worker takes no shards of a model, and what to do. */
function unreachableReason(model: ServedModelPlace, machine: string, ownMachine: string): string {
  const advice = isLoopback(model.host)
    ? `start ${machine}'s worker with --serve-host`
    : `check the address that ${machine}'s worker has as --serve-host, and the network between the two`;
  return `${model.label} is up on ${machine} at ${hostAndPort(model)}, not reachable from ${ownMachine}: ${advice}`;
}
