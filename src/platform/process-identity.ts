/**
 * Identifies processes. Because process ids are reused, the identity of a process is its id together with its start
 * time, on one boot of one machine, in one process-id namespace: two containers of a machine may have the same host name,
 * but the same id means different processes in them.
 */
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';
import { z } from 'zod';

export const processIdentitySchema = z.object({
  pid: z.int().positive(),
  /** An opaque value of `processStartTime`, which is the same whenever it is read for the same process. */
  startTime: z.string(),
  bootId: z.string(),
  host: z.string(),
  /** An opaque value of `pidNamespace`; absent on systems without such namespaces. */
  pidNamespace: z.string().exactOptional(),
});

/** Everything that is needed to recognise a process later, from another process with the same view of processes. */
export type ProcessIdentity = z.infer<typeof processIdentitySchema>;

/** `remote`: the process belongs to another machine, boot or container, so its state can't be determined here. */
export type ProcessState = 'alive' | 'dead' | 'remote';

/**
 * The start time of a process as an opaque string, which is equal only for the same process on the same boot: on
 * Linux clock ticks since boot (`/proc/PID/stat`, field 22), on other systems the date that `ps` prints. `undefined`
 * if there is no such process; a zombie doesn't count, because it no longer executes.
 */
export async function processStartTime(pid: number): Promise<string | undefined> {
  return process.platform === 'linux' ? linuxStartTime(pid) : posixStartTime(pid);
}

function linuxStartTime(pid: number): string | undefined {
  const fields = linuxStatFields(pid);
  return fields === undefined || hasEndedOnLinux(fields) ? undefined : fields[19];
}

/** The fields of `/proc/PID/stat` from the third (the state) on. */
export function linuxStatFields(pid: number | string): string[] | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The second field is the program's name in parentheses, and may itself contain spaces and parentheses.
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  } catch {
    return undefined;
  }
}

/**
 * Returns whether all threads of a process have ended. The state letter is that of its first thread only. A killed process
 * counts as a zombie while its other threads are still ending, and its ports and memory are in use until the last
 * thread has ended.
 */
function hasEndedOnLinux(fields: string[]): boolean {
  const threads = Number(fields[17]);
  return hasExited(fields[0]) && threads <= 1;
}

/**
 * Returns whether a state letter means that the process has ended and only waits for its parent to collect its exit status.
 */
function hasExited(state: string | undefined): boolean {
  return state === undefined || state.startsWith('Z') || state.startsWith('X');
}

function posixStartTime(pid: number): string | undefined {
  const printed = commandOutput('ps', ['-o', 'stat=,lstart=', '-p', String(pid)]);
  if (printed === undefined || hasExited(printed)) return undefined;
  return printed.replace(/^\S+\s+/, '') || undefined;
}

/** Identifies the machine's current boot; process ids and start times are not comparable across two boots. */
export async function bootId(): Promise<string> {
  if (process.platform === 'linux') return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  return commandOutput('sysctl', ['-n', 'kern.bootsessionuuid']) ?? 'unknown';
}

/**
 * Identifies the namespace of this process's ids (pid_namespaces(7)); undefined on systems without. The kernel uses the
 * number of an ended namespace again, so the start time of its first process is a part of the value.
 */
export async function pidNamespace(): Promise<string | undefined> {
  if (process.platform !== 'linux') return undefined;
  return `${readlinkSync('/proc/self/ns/pid')}/${(await processStartTime(1)) ?? ''}`;
}

/** Returns the identity of a process that runs on this machine now, or `undefined` if none has this id. */
export async function identifyProcess(pid: number): Promise<ProcessIdentity | undefined> {
  const startTime = await processStartTime(pid);
  return startTime === undefined ? undefined : identityOf(pid, startTime);
}

/** The identity of a process of this machine with a given start time. */
export async function identityOf(pid: number, startTime: string): Promise<ProcessIdentity> {
  const namespace = await pidNamespace();
  return {
    ...{ pid, startTime, bootId: await bootId(), host: hostname() },
    ...(namespace === undefined ? {} : { pidNamespace: namespace }),
  };
}

/** Returns whether the id of a process that was identified earlier means the same process here. */
export async function isPidValidHere(identity: ProcessIdentity): Promise<boolean> {
  if (identity.host !== hostname() || identity.bootId !== (await bootId())) return false;
  return identity.pidNamespace === undefined || identity.pidNamespace === (await pidNamespace());
}

/**
 * Returns the state of a process that was identified earlier, as far as it can be determined here. Another boot under this
 * machine's host name may be another machine, such as the node where a pod of the same name still runs.
 */
export async function processState(identity: ProcessIdentity): Promise<ProcessState> {
  if (!(await isPidValidHere(identity))) return 'remote';
  return (await processStartTime(identity.pid)) === identity.startTime ? 'alive' : 'dead';
}

/**
 * Returns whether exactly this process runs on this machine. `false` also for a `remote` process: use
 * `processState` if "not visible" must not be taken for "dead".
 */
export async function isSameProcessAlive(identity: ProcessIdentity): Promise<boolean> {
  return (await processState(identity)) === 'alive';
}

/** Returns the ids of the processes of a group that still run. */
export async function processesOfGroup(group: number): Promise<number[]> {
  if (process.platform === 'linux') {
    return readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .filter((name) => {
        const fields = linuxStatFields(name);
        return fields !== undefined && !hasEndedOnLinux(fields) && fields[2] === String(group);
      })
      .map(Number);
  }
  return (commandOutput('ps', ['-A', '-o', 'pid=,pgid=,stat=']) ?? '')
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter(([, pgid, state]) => pgid === String(group) && !hasExited(state))
    .map(([pid]) => Number(pid));
}

/** Returns the output of a program; undefined if it can't be run or fails. */
export function commandOutput(command: string, commandArguments: string[]): string | undefined {
  try {
    return execFileSync(command, commandArguments, {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
      // With this environment `ps` prints dates in one form, independent of the caller's language and time zone.
      env: { PATH: '/bin:/usr/bin:/sbin:/usr/sbin', LC_ALL: 'C', TZ: 'UTC' },
    }).trim();
  } catch {
    return undefined;
  }
}
