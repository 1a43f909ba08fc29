/** Artifacts that are not what they should be any more: set aside, so that their stage makes them again. */
import { randomUUID } from 'node:crypto';
import { readdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { z } from 'zod';
import { onDisk } from './on-disk.ts';
import type { ArtifactStore } from './store.ts';

const MARK = '.damaged-';
/** In a folder that was set aside: why. */
const NOTE_FILE = 'damage.json';

const noteSchema = z.object({ reason: z.string() });

/**
 * Renames a folder to `<path>.damaged-<uuid>`, with the reason in it; what was found there can still be looked at.
 * Returns false where it is gone: another attempt was first.
 */
export async function setAsideDamaged(path: string, reason: string): Promise<boolean> {
  const aside = `${path}${MARK}${randomUUID()}`;
  try {
    await onDisk(path, () => rename(path, aside));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
  // Only for who reads it: a disk too full for it must not keep the stage from being made again.
  await writeFile(join(aside, NOTE_FILE), `${JSON.stringify({ reason })}\n`).catch(() => undefined);
  return true;
}

/** A warning for each artifact of a run that was found damaged, as long as what was found is still there. */
export async function damageWarnings(store: ArtifactStore, runName: string): Promise<string[]> {
  const root = store.path(runName);
  const entries = await readdir(root, { recursive: true, withFileTypes: true });
  const folders = entries
    .filter((entry) => entry.isDirectory() && entry.name.includes(MARK))
    .map(({ parentPath, name }) => join(parentPath, name));
  return Promise.all(
    folders.sort().map(async (folder) => {
      const uri = relative(store.root, folder);
      return `${uri.slice(0, uri.lastIndexOf(MARK))} was damaged (${await reasonOf(folder)}) and was made again. What was found is in ${uri}; it may be deleted.`;
    }),
  );
}

async function reasonOf(folder: string): Promise<string> {
  try {
    return noteSchema.parse(JSON.parse(await readFile(join(folder, NOTE_FILE), 'utf8'))).reason;
  } catch {
    return 'the reason could not be noted';
  }
}
