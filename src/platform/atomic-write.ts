import { randomUUID } from 'node:crypto';
import { open, rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import { makeFolders, removeTemporary, withStorageErrors } from './file-system.ts';

/**
 * Writes a file atomically: to a temporary file, which is synced and renamed. After a crash the file is never
 * incomplete.
 */
export async function writeFileAtomically(path: string, text: string | AsyncIterable<string>): Promise<void> {
  const temporary = `${path}.tmp-${randomUUID()}`;
  await withStorageErrors(path, async () => {
    try {
      await makeFolders(dirname(path));
      await writeDurably(temporary, text);
      await rename(temporary, path);
      await syncFolder(dirname(path));
    } finally {
      await removeTemporary(temporary);
    }
  });
}

/**
 * Syncs the folder, so that a rename survives a power cut: a workflow's history may refer to the renamed file from
 * now on. Some network file systems can't sync a folder; there nothing more can be done.
 */
export async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException;
    if (!['EINVAL', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EBADF'].includes(code)) throw error;
  } finally {
    await folder.close();
  }
}

/** Writes a new file and syncs it to the disk. */
export async function writeDurably(path: string, text: string | AsyncIterable<string>): Promise<void> {
  const file = await open(path, 'wx');
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
}
