import { randomUUID } from 'node:crypto';
import { rename, rm, rmdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { runUris } from '../activities/open-run.ts';
import { newestEpoch } from '../artifacts/claim.ts';
import { makeFolder, onDisk } from '../artifacts/on-disk.ts';
import type { ArtifactStore } from '../artifacts/store.ts';
import { noteFreedModel } from '../training/freed-model.ts';
import { TRASH, type Garbage } from './garbage.ts';

export interface Freed {
  readonly freed: readonly Garbage[];
  /** Set where the run was started meanwhile: from then on nothing of it was touched. */
  readonly startedMeanwhile: boolean;
}

/**
 * Frees a run's garbage, each piece by one rename into the run's trash and then for good: killed at any time, whatever is
 * at its own place is whole, and the next call deletes what is in the trash. Of a judge first a note is written of what is
 * about to go, so that who needs it later is told. Before each piece it looks whether the run has been claimed anew.
 *
 * @param claim the newest claim on the run's folder when the garbage was found (src/artifacts/claim.ts)
 */
export async function freeGarbage(
  store: ArtifactStore,
  runName: string,
  garbage: readonly Garbage[],
  claim: number,
): Promise<Freed> {
  const trash = join(store.path(runName), TRASH);
  const freed: Garbage[] = [];
  for (const piece of garbage) {
    if ((await newestEpoch(store.path(runUris.owner(runName)))) !== claim)
      return { freed, startedMeanwhile: true };
    await free(piece, trash);
    freed.push(piece);
  }
  // Another gc may be about to use it.
  await rmdir(trash).catch(() => undefined);
  return { freed, startedMeanwhile: false };
}

async function free({ kind, path, bytes }: Garbage, trash: string): Promise<void> {
  if (kind === 'left by an earlier gc') return remove(path);
  if (kind === 'judges that are not kept')
    await noteFreedModel(dirname(path), { freedAt: new Date().toISOString(), bytes });
  const target = join(trash, randomUUID());
  try {
    await onDisk(path, async () => {
      await makeFolder(trash);
      await rename(path, target);
    });
  } catch (error) {
    // Another gc was first.
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
    throw error;
  }
  await remove(target);
}

/** Two may delete the same at once: what the other has deleted is gone, too. */
async function remove(path: string): Promise<void> {
  await onDisk(path, () => rm(path, { recursive: true, force: true, maxRetries: 3 }));
}
