/** Programs that outlive the process that starts them. Each leads its own process group, which is ended as a unit. */
import { spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { setImmediate as immediate, setTimeout as sleep } from 'node:timers/promises';
import {
  identifyProcess,
  identityOf,
  isPidValidHere,
  processesOfGroup,
  type ProcessIdentity,
  processStartTime,
} from './process-identity.ts';

export interface DetachedCommand {
  /** Program and arguments; no shell sees them. */
  command: readonly string[];
  folder: string;
  environment: Readonly<Record<string, string | undefined>>;
  /** Standard output and error are appended here. */
  logFile: string;
}

export interface DetachedProcess {
  identity: ProcessIdentity;
  /** Resolves with the known details when the program ends, if this process still runs. */
  exited: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
}

/** Starts a program detached. Throws the system's error if it can't be started (`ENOENT`, `EACCES`). */
export async function startDetached({
  command,
  folder,
  environment,
  logFile,
}: DetachedCommand): Promise<DetachedProcess> {
  const [program = '', ...programArguments] = command;
  const log = openSync(logFile, 'a', 0o600);
  try {
    const child = spawn(program, programArguments, {
      cwd: folder,
      env: { ...environment },
      detached: true,
      stdio: ['ignore', log, log],
    });
    const ended: DetachedProcess['exited'] = new Promise((resolve) => {
      child.once('exit', (code, signal) => resolve({ code, signal }));
    });
    await new Promise<void>((resolve, reject) => {
      child.once('spawn', resolve);
      child.once('error', reject);
    });
    child.unref();
    const pid = child.pid as number;
    // A program that has already ended has no start time, so no later process will be mistaken for it.
    const identity = (await identifyProcess(pid)) ?? (await identityOf(pid, 'ended at once'));
    return { identity, exited: ended };
  } finally {
    closeSync(log);
  }
}

/**
 * How a program ended that is seen to be gone: a moment may pass before this process is told. Undefined if it isn't told in this time,
 * or if another process has started the program.
 */
export async function endOf<End>(
  exited: Promise<End> | undefined,
  milliseconds: number,
): Promise<End | undefined> {
  const told = new AbortController();
  // Neither the program nor a pending promise keeps this process running, so the timer has to. If this process was suspended, the time
  // is over at once, though the end waits to be told: it is looked at before.
  const timeout = sleep(milliseconds, undefined, { signal: told.signal }).then(
    () => immediate(undefined),
    () => undefined,
  );
  const end = await Promise.race([exited, timeout]);
  told.abort();
  return end;
}

/** Seconds that processes may take to vanish after SIGKILL, because the kernel has to free their resources. */
const KILL_WAIT_SECONDS = 30;

/**
 * Ends a program that `startDetached` started, with all processes that it has started: SIGTERM, then SIGKILL after
 * the grace time (0: immediately). Returns when none remains. A group that can't belong to this program any more is
 * not touched.
 */
export async function endProcessGroup(leader: ProcessIdentity, graceSeconds: number): Promise<void> {
  if (!(await isPidValidHere(leader))) return;
  const startTime = await processStartTime(leader.pid);
  // The system reuses the number of a group only once it has no members, so another process with this id means that
  // all of them are gone.
  if (startTime !== undefined && startTime !== leader.startTime) return;
  if (
    graceSeconds > 0 &&
    sendSignal(-leader.pid, 'SIGTERM') &&
    (await waitForGroupEnd(leader.pid, graceSeconds))
  )
    return;
  if (!sendSignal(-leader.pid, 'SIGKILL') || (await waitForGroupEnd(leader.pid, KILL_WAIT_SECONDS))) return;
  throw new Error(`process group ${leader.pid} still exists ${KILL_WAIT_SECONDS} s after SIGKILL`);
}

/** Signals a process, or a group if the number is negative; returns false if there is none: it may have ended since it was found. */
export function sendSignal(pid: number, signal: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, signal);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ESRCH') return false;
    throw error;
  }
}

async function waitForGroupEnd(group: number, withinSeconds: number): Promise<boolean> {
  const deadline = performance.now() + withinSeconds * 1000;
  for (let pause = 10; ; pause = Math.min(2 * pause, 500)) {
    if ((await processesOfGroup(group)).length === 0) return true;
    if (performance.now() > deadline) return false;
    await sleep(pause);
  }
}
