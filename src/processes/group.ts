/** Programs that outlive the process that starts them: each leads a process group of its own, which ends as a whole. */
import { spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { hostname } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  bootId,
  identifyProcess,
  isOfThisBoot,
  processesOfGroup,
  type ProcessIdentity,
  processStartTime,
} from './identity.ts';

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
  /** Settles, with what is known then, when the process ends while this one still runs. */
  ended: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
}

/** Starts a program detached. Throws what the system says where it can't be started (`ENOENT`, `EACCES`). */
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
    const ended: DetachedProcess['ended'] = new Promise((resolve) => {
      child.once('exit', (code, signal) => resolve({ code, signal }));
    });
    await new Promise<void>((resolve, reject) => {
      child.once('spawn', resolve);
      child.once('error', reject);
    });
    child.unref();
    const pid = child.pid as number;
    // A program that has ended already has no start time any more; no process will ever be taken for it.
    const gone = { pid, startTime: 'ended at once', bootId: await bootId(), host: hostname() };
    return { identity: (await identifyProcess(pid)) ?? gone, ended };
  } finally {
    closeSync(log);
  }
}

/** How long processes may take to vanish after SIGKILL, in seconds; the kernel has to free what they held. */
const vanishSeconds = 30;

/**
 * Ends a program that `startDetached` started, and all that it started in turn: SIGTERM, then SIGKILL after the grace
 * time (0: at once). Returns when none is left; a group that can't be this program's any more is left alone.
 */
export async function endProcessGroup(leader: ProcessIdentity, graceSeconds: number): Promise<void> {
  if (!(await isOfThisBoot(leader))) return;
  const startTime = await processStartTime(leader.pid);
  // While a group has members the system gives its number to nobody else; a stranger with this id means all are gone.
  if (startTime !== undefined && startTime !== leader.startTime) return;
  if (graceSeconds > 0 && signalGroup(leader.pid, 'SIGTERM') && (await groupEnds(leader.pid, graceSeconds)))
    return;
  if (!signalGroup(leader.pid, 'SIGKILL') || (await groupEnds(leader.pid, vanishSeconds))) return;
  throw new Error(`process group ${leader.pid} is still there ${vanishSeconds} s after SIGKILL`);
}

function signalGroup(group: number, signal: NodeJS.Signals): boolean {
  try {
    return process.kill(-group, signal);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ESRCH') return false;
    throw error;
  }
}

async function groupEnds(group: number, withinSeconds: number): Promise<boolean> {
  const deadline = performance.now() + withinSeconds * 1000;
  for (let pause = 10; ; pause = Math.min(2 * pause, 500)) {
    if ((await processesOfGroup(group)).length === 0) return true;
    if (performance.now() > deadline) return false;
    await sleep(pause);
  }
}
