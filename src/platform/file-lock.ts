/**
 * An exclusive lock between the processes of one machine, in a folder that only this machine uses. A holder that dies
 * loses it immediately.
 *
 * Node has no `flock`. A single lock file that is deleted when its holder is dead is unsafe: two processes may both
 * see the dead holder, and the second one would delete the lock that the first has just acquired. So a lock is a
 * series of numbered files, and the one with the highest number is valid. A process that finds it released, or its
 * holder dead, creates the next number, which the file system allows only once. It then holds the lock unless a
 * higher number has appeared meanwhile.
 */
import { randomUUID } from 'node:crypto';
import { linkSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { isLinkUnsupported, toStorageError } from './file-system.ts';
import { identifyProcess, isSameProcessAlive, type ProcessIdentity } from './process-identity.ts';

/** Options for waiting while another process holds the lock. */
export interface LockOptions {
  /** Ends the wait, which then throws the signal's reason. */
  readonly signal?: AbortSignal;
  /** Called once with the process that holds the lock. */
  readonly onWait?: (holder: ProcessIdentity) => void;
}

/** Runs `work` while no other process, and no other caller in this one, holds the lock with this path. */
export async function withLock<T>(
  path: string,
  run: () => Promise<T>,
  waiting: LockOptions = {},
): Promise<T> {
  const held = await acquire(path, waiting);
  try {
    return await run();
  } finally {
    replaceLockFile(held, { released: true });
  }
}

type LockContent = { holder: ProcessIdentity } | { released: true };

async function acquire(path: string, { signal, onWait }: LockOptions): Promise<string> {
  const holder = await identifyProcess(process.pid);
  if (holder === undefined) throw new Error('this process has no start time');
  let hasNotified = false;
  for (let pause = 5; ; pause = Math.min(2 * pause, 250)) {
    signal?.throwIfAborted();
    const numbers = lockNumbers(path);
    const highest = numbers.at(-1) ?? 0;
    const other = highest === 0 ? undefined : await holderOf(`${path}.${highest}`);
    if (other === undefined) {
      const next = highest + 1;
      if (createLockFile(`${path}.${next}`, { holder })) {
        if (lockNumbers(path).at(-1) === next) {
          for (const lower of numbers) rmSync(`${path}.${lower}`, { force: true });
          return `${path}.${next}`;
        }
        rmSync(`${path}.${next}`, { force: true });
      }
    } else if (other !== 'another' && !hasNotified) {
      hasNotified = true;
      onWait?.(other);
    }
    await sleep(pause);
  }
}

function lockNumbers(path: string): number[] {
  const start = `${basename(path)}.`;
  return readdirSync(dirname(path))
    .filter((name) => name.startsWith(start) && /^\d+$/.test(name.slice(start.length)))
    .map((name) => Number(name.slice(start.length)))
    .sort((left, right) => left - right);
}

/** The living process that holds the lock; undefined if it is free. */
async function holderOf(file: string): Promise<ProcessIdentity | 'another' | undefined> {
  let content: LockContent;
  try {
    content = JSON.parse(readFileSync(file, 'utf8')) as LockContent;
  } catch (error) {
    // The file was deleted after the folder was read, so a higher number is valid.
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 'another';
    // The file is being written, or a crash of the machine has truncated it.
    if (error instanceof SyntaxError) return isRecent(file) ? 'another' : undefined;
    throw error;
  }
  if ('released' in content) return undefined;
  return (await isSameProcessAlive(content.holder)) ? content.holder : undefined;
}

/** The time within which a process writes a lock file that it has created. */
const WRITE_MS = 5000;

function isRecent(file: string): boolean {
  const modifiedAt = statSync(file, { throwIfNoEntry: false })?.mtimeMs;
  return modifiedAt === undefined || Math.abs(Date.now() - modifiedAt) < WRITE_MS;
}

/** Creates the complete file, or returns false if it exists. */
function createLockFile(file: string, content: LockContent): boolean {
  const draft = writeTemporary(file, content);
  try {
    linkSync(draft, file);
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false;
    if (!isLinkUnsupported(error)) throw error;
    return createInPlace(file, content);
  } finally {
    rmSync(draft);
  }
}

/** Without hard links other processes see the file incomplete for a moment. */
function createInPlace(file: string, content: LockContent): boolean {
  try {
    writeFileSync(file, JSON.stringify(content), { mode: 0o600, flag: 'wx' });
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false;
    throw error;
  }
}

function replaceLockFile(file: string, content: LockContent): void {
  renameSync(writeTemporary(file, content), file);
}

function writeTemporary(file: string, content: LockContent): string {
  const draft = join(dirname(file), `.${randomUUID()}.tmp`);
  try {
    writeFileSync(draft, JSON.stringify(content), { mode: 0o600 });
  } catch (error) {
    rmSync(draft, { force: true });
    throw toStorageError(file, error);
  }
  return draft;
}
