/**
 * Leases of a machine's GPUs. They belong to one run at a time, all of them or some: its trainer and its model servers may
 * share them, those of other runs wait, first come, first served.
 *
 * A lease is held by the trainer or the server that uses the GPUs, until this process ends, and by the activity that starts it,
 * which renews it; so a kill leaves no lease behind. The leases are in a file in a folder of the machine, not in the store: the
 * workers of a machine share it, whatever their stores are.
 */
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { withLock } from '../../platform/file-lock.ts';
import { stableHash } from '../../platform/stable-hash.ts';
import {
  bootId,
  pidNamespace,
  processIdentitySchema,
  processState,
  type ProcessIdentity,
} from '../../platform/process-identity.ts';
import { userTemporaryFolder } from '../../platform/user.ts';
import { visibleGpus } from './visible-gpus.ts';

/** One use of GPUs by a run: its trainer, or one of its servers. */
export interface GpuUse {
  /** The run; or, for a command, a name that only those of its uses have that share their GPUs. */
  readonly runName: string;
  /** The command that asks, for people, if it is not a run that does, such as "the command judge". */
  readonly command?: string | undefined;
  /** The workflow or process that asks. */
  readonly owner: string;
  /** For people, such as "trains M_2" or "serves judge-1"; equal uses of a run have the same GPUs. */
  readonly purpose: string;
  /** How many GPUs; all of the machine's by default. 0: the use is on another machine. */
  readonly gpus?: number | null | undefined;
}

export interface GpuLease {
  /** Variables of the program that uses the GPUs: which it sees, if not all of the machine's were asked for. */
  readonly environment: Readonly<Record<string, string>>;
  /** Names a process that holds the lease until it ends. */
  keepFor(process: ProcessIdentity): Promise<void>;
  /**
   * Ends the renewal: from now on the lease is held by its processes, and for some time by nobody, so that the next attempt of an
   * activity finds it.
   */
  leave(): void;
  release(): Promise<void>;
}

export interface AcquireOptions {
  readonly signal?: AbortSignal | undefined;
  /** Called at each poll with the reason for waiting, such as "run b trains M_1". */
  readonly onWait?: (reason: string) => void;
}

const leaseSchema = z.object({
  runName: z.string(),
  command: z.string().optional(),
  owner: z.string(),
  purpose: z.string(),
  devices: z.array(z.string()),
  processes: z.array(processIdentitySchema),
  /** Milliseconds since the epoch until which it is held without a process. */
  heldUntil: z.number(),
});
const waiterSchema = z.object({
  runName: z.string(),
  command: z.string().optional(),
  waitsUntil: z.number(),
});
const stateSchema = z.object({ leases: z.array(leaseSchema), queue: z.array(waiterSchema) });
type Lease = z.output<typeof leaseSchema>;
type State = z.output<typeof stateSchema>;

/** The lease of a use that needs none of this machine's GPUs. */
const NO_LEASE: GpuLease = {
  environment: {},
  keepFor: () => Promise.resolve(),
  leave: () => undefined,
  release: () => Promise.resolve(),
};

/** A machine without GPUs counts as one. */
const WHOLE_MACHINE = ['the machine'];
const POLL_MILLISECONDS = 1000;
/** Longer than the time from the death of a worker to the next attempt of its activity. */
const DEFAULT_HOLD_SECONDS = 90;

/** The variable that names another folder than the default one; the worker has an option for it. */
export const MACHINE_FOLDER_VARIABLE = 'SELF_TAUGHT_EVALUATOR_MACHINE_FOLDER';

/** The GPUs of this machine for a command, as its workers see them. */
export function machineGpus(environment: Readonly<Record<string, string | undefined>>): MachineGpus {
  return new MachineGpus(
    environment[MACHINE_FOLDER_VARIABLE] || userTemporaryFolder(),
    visibleGpus(environment),
  );
}

export class MachineGpus {
  readonly #folder: string;
  readonly #devices: readonly string[];
  readonly #holdMilliseconds: number;
  /** The leases that this process renews. */
  readonly #renewed = new Set<string>();

  /**
   * @param folder on the machine's own disk, the same for all of its workers
   * @param devices the names of its GPUs; empty if it has none
   * @param holdSeconds the time for which a lease without a process, and a place in the queue, are kept
   */
  constructor(folder: string, devices: readonly string[], holdSeconds = DEFAULT_HOLD_SECONDS) {
    this.#folder = folder;
    this.#devices = devices.length === 0 ? WHOLE_MACHINE : devices;
    this.#holdMilliseconds = 1000 * holdSeconds;
    const renew = () => {
      if (this.#renewed.size > 0) void this.#renewAll().catch(() => undefined);
    };
    setInterval(renew, this.#holdMilliseconds / 5).unref();
  }

  /** The number of GPUs; 0 if the machine has none. */
  get count(): number {
    return this.#devices === WHOLE_MACHINE ? 0 : this.#devices.length;
  }

  /** Waits until the run may use the GPUs. A run that asks again for the same use keeps what it has. */
  async acquire(use: GpuUse, { signal, onWait }: AcquireOptions = {}): Promise<GpuLease> {
    if (use.gpus === 0) return NO_LEASE;
    for (;;) {
      const answer = await this.#update((state) => this.#grant(state, use));
      if (typeof answer !== 'string') return this.#leaseOf(use, answer);
      onWait?.(answer);
      await sleep(POLL_MILLISECONDS, undefined, signal === undefined ? {} : { signal });
    }
  }

  /**
   * The same for a command, which says what it waits for. If the signal ends the wait, it gives up its place in the queue: no
   * further attempt follows.
   */
  async acquireForCommand(use: GpuUse, say: (line: string) => void, signal: AbortSignal): Promise<GpuLease> {
    let said = '';
    const onWait = (reason: string) => {
      if (reason === said) return;
      said = reason;
      say(`It waits for the GPUs of this machine: ${reason}. Ctrl-C ends the wait.`);
    };
    try {
      return await this.acquire(use, { signal, onWait });
    } catch (error) {
      await this.#update((state) => [
        { ...state, queue: state.queue.filter(({ runName }) => runName !== use.runName) },
        undefined,
      ]);
      throw error;
    }
  }

  /** Ends the uses of a workflow, except the one for this purpose. */
  async release(owner: string, keptPurpose?: string): Promise<void> {
    const kept = keptPurpose === undefined ? undefined : keyOf({ owner, purpose: keptPurpose });
    for (const key of this.#renewed)
      if (key.startsWith(keyOf({ owner, purpose: '' })) && key !== kept) this.#renewed.delete(key);
    await this.#change((lease) => (lease.owner === owner && keyOf(lease) !== kept ? undefined : lease));
  }

  /** Names a process that holds the leases of some workflows until it ends, and renews them while this process lives. */
  async keepFor(owners: readonly string[], process: ProcessIdentity): Promise<void> {
    await this.#change((lease) => {
      if (!owners.includes(lease.owner)) return lease;
      this.#renew(lease);
      return withProcess(lease, process);
    });
  }

  /** Describes the uses of this machine's GPUs by other runs; undefined if there are none. */
  async usedByOthers(runName: string): Promise<string | undefined> {
    const { leases } = await withoutEnded(readState(await this.#placeOfLeases()));
    const others = leases.filter((lease) => lease.runName !== runName);
    return others.length === 0 ? undefined : describe(others);
  }

  #leaseOf(use: GpuUse, devices: readonly string[]): GpuLease {
    const change = (changed: (lease: Lease) => Lease | undefined) =>
      this.#change((lease) => (keyOf(lease) === keyOf(use) ? changed(lease) : lease));
    this.#renew(use);
    const isPart = (use.gpus ?? undefined) !== undefined && this.#devices !== WHOLE_MACHINE;
    const leave = () => void this.#renewed.delete(keyOf(use));
    return {
      environment: isPart ? { CUDA_VISIBLE_DEVICES: devices.join() } : {},
      keepFor: (process) => change((lease) => withProcess(lease, process)),
      leave,
      async release() {
        leave();
        await change(() => undefined);
      },
    };
  }

  /** Renews a lease until it is left or released, or this process ends. */
  #renew(lease: Pick<Lease, 'owner' | 'purpose'>): void {
    this.#renewed.add(keyOf(lease));
  }

  #renewAll(): Promise<void> {
    return this.#change((lease) =>
      this.#renewed.has(keyOf(lease)) ? { ...lease, heldUntil: this.#until() } : lease,
    );
  }

  #until(): number {
    return Date.now() + this.#holdMilliseconds;
  }

  /** Returns the new state with the granted devices, or with the reason for waiting. */
  #grant(state: State, { runName, command, owner, purpose, gpus }: GpuUse): [State, string[] | string] {
    const until = this.#until();
    const own = state.leases.filter((lease) => lease.runName === runName);
    const others = state.leases.filter((lease) => lease.runName !== runName);
    const same = own.find((lease) => lease.purpose === purpose);
    // A run that holds GPUs goes first: those that wait for it would wait for ever.
    const first = own.length > 0 ? undefined : state.queue[0];
    const isFirst = first === undefined || first.runName === runName;
    const devices = same?.devices ?? (isFirst ? this.#choose(own, others, gpus) : undefined);
    if (devices === undefined) {
      const waiter = { runName, command, waitsUntil: until };
      const isQueued = state.queue.some((each) => each.runName === runName);
      const queue = isQueued
        ? state.queue.map((each) => (each.runName === runName ? waiter : each))
        : [...state.queue, waiter];
      const reason =
        others.length > 0 ? describe(others) : `${nameOf(first ?? waiter)} is first in the queue`;
      return [{ ...state, queue }, reason];
    }
    const isThis = (lease: Lease) => keyOf(lease) === keyOf({ owner, purpose });
    const processes = state.leases.find(isThis)?.processes ?? [];
    const lease = { runName, command, owner, purpose, devices, processes, heldUntil: until };
    const leases = [...state.leases.filter((each) => !isThis(each)), lease];
    return [{ leases, queue: state.queue.filter((each) => each.runName !== runName) }, devices];
  }

  /** The GPUs for another use of a run; undefined if too few are free. */
  #choose(
    own: readonly Lease[],
    others: readonly Lease[],
    gpus: number | null | undefined,
  ): string[] | undefined {
    const count = Math.min(gpus ?? this.#devices.length, this.#devices.length);
    const isUsedBy = (leases: readonly Lease[]) => (device: string) =>
      leases.some(({ devices }) => devices.includes(device));
    const free = this.#devices.filter((device) => !isUsedBy(others)(device));
    const unused = free.filter((device) => !isUsedBy(own)(device));
    // The trainer and the servers of a run share GPUs only if the machine is too small for both.
    const demand = own.reduce((sum, { devices }) => sum + devices.length, count);
    const shared = demand > this.#devices.length ? free.filter(isUsedBy(own)) : [];
    const usable = [...unused, ...shared];
    return usable.length < count ? undefined : usable.slice(0, count);
  }

  async #change(changed: (lease: Lease) => Lease | undefined): Promise<void> {
    await this.#update((state) => [
      { ...state, leases: state.leases.flatMap((lease) => changed(lease) ?? []) },
      undefined,
    ]);
  }

  async #update<T>(change: (state: State) => [State, T]): Promise<T> {
    const folder = await this.#placeOfLeases();
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    return withLock(join(folder, 'gpus.lock'), async () => {
      const [state, answer] = change(await withoutEnded(readState(folder)));
      const temporary = join(folder, 'gpus.json.tmp');
      writeFileSync(temporary, JSON.stringify(state), { mode: 0o600 });
      renameSync(temporary, join(folder, 'gpus.json'));
      return answer;
    });
  }

  /** Leases of an earlier boot, or of another container, are of processes that can't be seen: each has its own folder. */
  async #placeOfLeases(): Promise<string> {
    const view = stableHash(await bootId(), (await pidNamespace()) ?? '');
    return join(this.#folder, view.slice(0, 16));
  }
}

/** A file that can't be read counts as empty: it does not survive a crash of the machine, as its leases don't. */
function readState(folder: string): State {
  try {
    return stateSchema.parse(JSON.parse(readFileSync(join(folder, 'gpus.json'), 'utf8')));
  } catch {
    return { leases: [], queue: [] };
  }
}

/** Drops what nobody holds any more. */
async function withoutEnded({ leases, queue }: State): Promise<State> {
  const held: Lease[] = [];
  for (const lease of leases) {
    const states = await Promise.all(lease.processes.map((process) => processState(process)));
    const processes = lease.processes.filter((_, index) => states[index] === 'alive');
    if (processes.length > 0 || Date.now() < lease.heldUntil) held.push({ ...lease, processes });
  }
  return { leases: held, queue: queue.filter(({ waitsUntil }) => Date.now() < waitsUntil) };
}

function keyOf({ owner, purpose }: Pick<Lease, 'owner' | 'purpose'>): string {
  return `${owner}\n${purpose}`;
}

function withProcess(lease: Lease, process: ProcessIdentity): Lease {
  return { ...lease, processes: [...lease.processes.filter(({ pid }) => pid !== process.pid), process] };
}

function describe(leases: readonly Lease[]): string {
  return leases.map((lease) => `${nameOf(lease)} ${lease.purpose}`).join(', ');
}

function nameOf({ runName, command }: Pick<GpuUse, 'runName' | 'command'>): string {
  return command ?? `run ${runName}`;
}
