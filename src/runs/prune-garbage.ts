import { posix } from 'node:path';
import { FIRST_DELETED_FILE, recordPrunedModel } from '../models/training/pruned-model.ts';
import { forEachConcurrently } from '../platform/for-each-concurrently.ts';
import type { ArtifactStore } from '../store/artifact-store.ts';
import { latestEpoch } from '../store/claims.ts';
import { removeCheckpointCopies } from './find-checkpoint.ts';
import type { Garbage } from './garbage.ts';
import { runUris } from './run-layout.ts';

export interface PruneResult {
  readonly pruned: readonly Garbage[];
  /** Set if the run was started in the meantime. Nothing was deleted after that. */
  readonly restarted: boolean;
}

const CONCURRENT_DELETES = 16;

/**
 * Deletes a run's garbage piece by piece. Before a judge's weights are deleted, a note says so for those who need them
 * later. Before each piece it checks whether the run has been claimed again. If it is interrupted, the next call finds
 * what is left.
 *
 * @param claim the latest claim on the run when the garbage was found (src/store/claims.ts)
 */
export async function pruneGarbage(
  store: ArtifactStore,
  runName: string,
  garbage: readonly Garbage[],
  claim: number,
): Promise<PruneResult> {
  const pruned: Garbage[] = [];
  for (const piece of garbage) {
    if ((await latestEpoch(store.objects, runUris.owner(runName))) !== claim)
      return { pruned, restarted: true };
    await prune(store, piece);
    pruned.push(piece);
  }
  return { pruned, restarted: false };
}

async function prune(store: ArtifactStore, { kind, uri, bytes }: Garbage): Promise<void> {
  const { objects } = store;
  if (kind === 'pruned judges') {
    await recordPrunedModel(store, posix.dirname(uri), { prunedAt: new Date().toISOString(), bytes });
    await objects.delete(`${uri}/${FIRST_DELETED_FILE}`);
    await removeCheckpointCopies(store, uri);
  }
  if ((await objects.head(uri)) !== undefined) await objects.delete(uri);
  const all = [...(await objects.list(uri)), ...(await objects.listIncomplete(uri))];
  await forEachConcurrently(all, CONCURRENT_DELETES, ({ key }) => objects.delete(key));
}
