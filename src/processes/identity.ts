/**
 * Which process is meant, not only which number it has: a process id is given out again, so identity is the id
 * together with the time the process started, on one boot of one machine.
 */
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { hostname } from 'node:os';

/** Everything needed to recognise a process later, from another process on the same machine. */
export interface ProcessIdentity {
  pid: number;
  /** Opaque; equal for the same process, as `processStartTime` gives it. */
  startTime: string;
  bootId: string;
  host: string;
}

/** `elsewhere`: the process belongs to another machine, so nothing can be said about it from here. */
export type ProcessState = 'alive' | 'dead' | 'elsewhere';

/**
 * When the process started, as an opaque string that is equal exactly for the same process on the same boot:
 * clock ticks since boot on Linux (`/proc/PID/stat`, field 22), the date that `ps` prints elsewhere.
 * `undefined` where no such process runs; a zombie counts as none, because it can do nothing any more.
 */
export async function processStartTime(pid: number): Promise<string | undefined> {
  return process.platform === 'linux' ? linuxStartTime(pid) : posixStartTime(pid);
}

function linuxStartTime(pid: number): string | undefined {
  const fields = linuxStatus(pid);
  return fields === undefined || isOver(fields[0]) ? undefined : fields[19];
}

/** The fields of `/proc/PID/stat` from the third (the state) on. */
function linuxStatus(pid: number | string): string[] | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The second field is the program's name in parentheses and may itself hold blanks and parentheses.
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  } catch {
    return undefined;
  }
}

/** Whether a state letter says that the process has ended and only waits to be collected. */
function isOver(state: string | undefined): boolean {
  return state === undefined || state.startsWith('Z') || state.startsWith('X');
}

function posixStartTime(pid: number): string | undefined {
  const printed = printedBy('ps', ['-o', 'stat=,lstart=', '-p', String(pid)]);
  if (printed === undefined || isOver(printed)) return undefined;
  return printed.replace(/^\S+\s+/, '') || undefined;
}

/** Identifies the machine's current boot; process ids and start times mean nothing across two boots. */
export async function bootId(): Promise<string> {
  if (process.platform === 'linux') return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  return printedBy('sysctl', ['-n', 'kern.bootsessionuuid']) ?? 'unknown';
}

/** The identity of a process that runs on this machine now, or `undefined` where none has this id. */
export async function identifyProcess(pid: number): Promise<ProcessIdentity | undefined> {
  const startTime = await processStartTime(pid);
  return startTime === undefined ? undefined : { pid, startTime, bootId: await bootId(), host: hostname() };
}

/** Whether a process began on this machine, since it was started. */
export async function isOfThisBoot(identity: ProcessIdentity): Promise<boolean> {
  return identity.host === hostname() && identity.bootId === (await bootId());
}

/** What can be said from here about a process that was identified earlier. */
export async function processState(identity: ProcessIdentity): Promise<ProcessState> {
  if (identity.host !== hostname()) return 'elsewhere';
  if (!(await isOfThisBoot(identity))) return 'dead';
  return (await processStartTime(identity.pid)) === identity.startTime ? 'alive' : 'dead';
}

/**
 * Whether this very process runs on this machine. `false` also for a process of another machine: where "I can't see
 * it" must not be read as "it is dead", ask `processState`.
 */
export async function isSameProcessAlive(identity: ProcessIdentity): Promise<boolean> {
  return (await processState(identity)) === 'alive';
}

/** The ids of the processes of a group that still run. */
export async function processesOfGroup(group: number): Promise<number[]> {
  if (process.platform === 'linux') {
    return readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .filter((name) => {
        const fields = linuxStatus(name);
        return fields !== undefined && !isOver(fields[0]) && fields[2] === String(group);
      })
      .map(Number);
  }
  return (printedBy('ps', ['-A', '-o', 'pid=,pgid=,stat=']) ?? '')
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter(([, pgid, state]) => pgid === String(group) && !isOver(state))
    .map(([pid]) => Number(pid));
}

function printedBy(command: string, commandArguments: string[]): string | undefined {
  try {
    return execFileSync(command, commandArguments, {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
      // The same form of a date whatever the language and time zone of the process that asks.
      env: { PATH: '/bin:/usr/bin:/sbin:/usr/sbin', LC_ALL: 'C', TZ: 'UTC' },
    }).trim();
  } catch {
    return undefined;
  }
}
