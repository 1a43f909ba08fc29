/**
 * An exclusive lock between the processes of one machine, in a folder that only this machine uses. A holder that dies
 * loses it at once.
 *
 * Node has no `flock`, and one lock file that is deleted when its holder is dead can be deleted by two who saw that at
 * once, the second time under the feet of the first. So a lock is a row of numbered files: the highest number holds.
 * Whoever finds that one free (released, or its holder dead) creates the next number, which the file system grants to
 * one only, and holds the lock unless a still higher one has appeared meanwhile.
 */
import { randomUUID } from 'node:crypto';
import { linkSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { identifyProcess, isSameProcessAlive, type ProcessIdentity } from './identity.ts';

/** While another holds the lock. */
export interface Waiting {
  /** Ends the wait with its reason. */
  readonly signal?: AbortSignal;
  /** Called once, with the process that holds it. */
  readonly onWait?: (holder: ProcessIdentity) => void;
}

/** Runs while no other process, and no other caller in this one, runs under the lock with this path. */
export async function withLock<T>(path: string, run: () => Promise<T>, waiting: Waiting = {}): Promise<T> {
  const held = await acquire(path, waiting);
  try {
    return await run();
  } finally {
    replace(held, { released: true });
  }
}

type Content = { holder: ProcessIdentity } | { released: true };

async function acquire(path: string, { signal, onWait }: Waiting): Promise<string> {
  const holder = await identifyProcess(process.pid);
  if (holder === undefined) throw new Error('this process has no start time');
  let isTold = false;
  for (let pause = 5; ; pause = Math.min(2 * pause, 250)) {
    signal?.throwIfAborted();
    const numbers = numbersOf(path);
    const highest = numbers.at(-1) ?? 0;
    const other = highest === 0 ? undefined : await holderOf(`${path}.${highest}`);
    if (other === undefined) {
      const mine = highest + 1;
      if (create(`${path}.${mine}`, { holder })) {
        if (numbersOf(path).at(-1) === mine) {
          for (const lower of numbers) rmSync(`${path}.${lower}`, { force: true });
          return `${path}.${mine}`;
        }
        rmSync(`${path}.${mine}`, { force: true });
      }
    } else if (other !== 'another' && !isTold) {
      isTold = true;
      onWait?.(other);
    }
    await sleep(pause);
  }
}

function numbersOf(path: string): number[] {
  const start = `${basename(path)}.`;
  return readdirSync(dirname(path))
    .filter((name) => name.startsWith(start) && /^\d+$/.test(name.slice(start.length)))
    .map((name) => Number(name.slice(start.length)))
    .sort((left, right) => left - right);
}

/** The living process that holds it; undefined where it is free. */
async function holderOf(file: string): Promise<ProcessIdentity | 'another' | undefined> {
  let content: Content;
  try {
    content = JSON.parse(readFileSync(file, 'utf8')) as Content;
  } catch (error) {
    // Deleted since the folder was read: a higher one holds. Files appear whole.
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 'another';
    throw error;
  }
  if ('released' in content) return undefined;
  return (await isSameProcessAlive(content.holder)) ? content.holder : undefined;
}

/** Creates the file whole or, where it exists, not at all. */
function create(file: string, content: Content): boolean {
  const draft = draftOf(file, content);
  try {
    linkSync(draft, file);
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false;
    throw error;
  } finally {
    rmSync(draft);
  }
}

function replace(file: string, content: Content): void {
  renameSync(draftOf(file, content), file);
}

function draftOf(file: string, content: Content): string {
  const draft = join(dirname(file), `.${randomUUID()}.draft`);
  writeFileSync(draft, JSON.stringify(content), { mode: 0o600 });
  return draft;
}
