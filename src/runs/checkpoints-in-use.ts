import { resolve } from 'node:path';
import type { ArtifactStore } from '../artifacts/store.ts';
import { storedUri } from '../config/checkpoint.ts';
import type { StoredRun } from './stored-run.ts';

/**
 * Absolute paths of the checkpoints that runs and evaluations begin from: the judge of one run may be the seed model of
 * another. A relative path may mean a folder below any of the roots.
 */
export function checkpointsInUse(
  store: ArtifactStore,
  runs: readonly StoredRun[],
  roots: readonly string[],
): Set<string> {
  const named = runs.flatMap(({ resolved }) =>
    Object.values(resolved?.configuration.models ?? {}).flatMap((model) => model?.checkpoint ?? []),
  );
  return new Set(
    named.flatMap((checkpoint) => {
      const uri = storedUri(checkpoint);
      return uri === undefined ? roots.map((root) => resolve(root, checkpoint)) : [store.path(uri)];
    }),
  );
}
