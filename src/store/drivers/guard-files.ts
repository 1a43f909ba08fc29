/** Guard files: only one process can create one, and what it guards may be changed only by that process. */
import { lstat, open, rename, rm, stat } from 'node:fs/promises';
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';

/** Guard files exist only for milliseconds, so an older one is stale: its process has ended. */
const STALE_GUARD_MS = 30_000;

/**
 * Renames a file unless the name is taken, without hard links. Only one process can create the guard file; while it
 * exists, all others wait. So they never see an incomplete file, and a process that ends in between leaves only its
 * guard, which is removed after `STALE_GUARD_MS`.
 */
export async function renameIfFree(temporary: string, path: string): Promise<boolean> {
  const isTaken = async (): Promise<boolean> => (await ifExists(() => lstat(path))) !== undefined;
  const guard = `${path}.tmp-create`;
  const began = performance.now();
  for (let pause = 2; !(await createIfAbsent(guard)); pause = Math.min(2 * pause, 200)) {
    if (await isTaken()) return false;
    await sleep(pause);
    await removeIfStale(guard, temporary, performance.now() - began);
  }
  const guarded = performance.now();
  try {
    if (await isTaken()) return false;
    // After a long standstill of this process, another one may have removed the guard and created the object.
    if (performance.now() - guarded > STALE_GUARD_MS / 2)
      throw new Error(`${path}: the file system is too slow`);
    await rename(temporary, path);
    return true;
  } finally {
    await rm(guard, { force: true });
  }
}

/** Creates an empty file; returns false if it exists. */
export async function createIfAbsent(path: string): Promise<boolean> {
  try {
    await (await open(path, 'wx')).close();
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

/**
 * Ages are compared by the clock of the file system.
 * @param fresh a file that was written `freshAgeMs` ago
 */
export async function removeIfStale(guard: string, fresh: string, freshAgeMs = 0): Promise<void> {
  const existing = await ifExists(() => stat(guard));
  if (existing === undefined) return;
  const age = (await stat(fresh)).mtimeMs + freshAgeMs - existing.mtimeMs;
  if (age < STALE_GUARD_MS) return;
  // If several processes find a stale guard, only one can rename it: the others must not delete the next guard.
  const aside = `${guard}-${randomUUID()}`;
  await ifExists(() => rename(guard, aside));
  await rm(aside, { force: true });
}

/** Undefined if there is no such file. */
export async function ifExists<T>(look: () => Promise<T>): Promise<T | undefined> {
  try {
    return await look();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw error;
  }
}
