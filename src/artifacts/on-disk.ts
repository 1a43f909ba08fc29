import { constants, existsSync } from 'node:fs';
import { access, mkdir, readFile, rm } from 'node:fs/promises';
import { dirname } from 'node:path';

/** A disk that can't be written to. Trying again may help: somebody can make room. Nothing that was there is changed. */
export class StorageUnavailable extends Error {
  override readonly name = 'StorageUnavailable';
}

const ADVICE: Readonly<Record<string, string>> = {
  ENOSPC: 'the disk is full. Make room on it',
  EDQUOT: 'the quota of this user is used up. Make room, or raise it',
  EROFS: 'the file system is read-only. Mount it for writing',
  EACCES: 'this user may not write there. Give the worker the right to',
  EPERM: 'this user may not write there. Give the worker the right to',
  ENOTDIR: 'a part of this path is a file and no folder. Move it away',
};

/**
 * Does what writes to `path`; where the system refuses, the error says which path and what to do.
 * @throws StorageUnavailable
 */
export async function onDisk<T>(path: string, write: () => Promise<T>): Promise<T> {
  try {
    return await write();
  } catch (error) {
    const { code = '', path: named } = error as NodeJS.ErrnoException;
    const advice = ADVICE[code];
    if (advice === undefined) throw error;
    throw new StorageUnavailable(
      `${named ?? path} can't be written: ${advice} (${code}). Then it goes on by itself; what is written already is kept.`,
      { cause: error },
    );
  }
}

/** Makes a folder and those above it. On a file system that it may not write to, Node says ENOENT: why is asked again. */
export async function makeFolder(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    let above = dirname(path);
    while (!existsSync(above) && above !== dirname(above)) above = dirname(above);
    await access(above, constants.W_OK);
    throw error;
  }
}

/** Removes a draft, if it can be: what keeps it from being removed has kept it from being made. */
export async function removeDraft(path: string): Promise<void> {
  await rm(path, { recursive: true, force: true }).catch(() => undefined);
}

/** The text of a file, or undefined where there is none. */
export async function readTextIfThere(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
