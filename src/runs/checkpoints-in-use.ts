import { readdir, realpath } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import type { ArtifactStore } from '../artifacts/store.ts';
import { storedUri } from '../config/checkpoint.ts';
import type { StoredRun } from './stored-run.ts';

/** A judge of a run, wherever a worker has mounted the store. */
const JUDGE = /[^/]+\/(iteration-\d+\/training|outputs)\/model$/;

/**
 * Absolute paths of the checkpoints that runs and evaluations begin from: the judge of one run may be the seed model of
 * another. Which folder a worker finds under a path can't be told from here, so that whatever it may mean is among them:
 * a folder below any of the roots or beside the store, what links lead to, and the judge of this store that ends in the
 * same run and iteration.
 */
export async function checkpointsInUse(
  store: ArtifactStore,
  runs: readonly Pick<StoredRun, 'resolved'>[],
  roots: readonly string[],
): Promise<Set<string>> {
  const named = runs.flatMap(({ resolved }) =>
    Object.values(resolved?.configuration.models ?? {}).flatMap((model) => model?.checkpoint ?? []),
  );
  const inUse = new Set<string>();
  for (const checkpoint of new Set(named)) {
    const uri = storedUri(checkpoint);
    const paths =
      uri === undefined
        ? [...roots, dirname(store.root)].map((root) => resolve(root, checkpoint))
        : [store.path(uri)];
    const meant = paths.flatMap((path) => [path, ...inThisStore(store, path)]);
    const linked = (await Promise.all(meant.map(leadsTo))).flat();
    for (const path of [...meant, ...linked.flatMap((each) => [each, ...inThisStore(store, each)])])
      inUse.add(path);
  }
  return inUse;
}

function inThisStore(store: ArtifactStore, path: string): string[] {
  const uri = JUDGE.exec(path)?.[0];
  return uri === undefined ? [] : [store.path(uri)];
}

/** The folder's real path, and those of the folders that its files are links into, as in a run's `outputs/model`. */
async function leadsTo(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  const links = entries.filter((entry) => entry.isSymbolicLink()).map(({ name }) => join(folder, name));
  const real = await Promise.all([folder, ...links].map((path) => realpath(path).catch(() => path)));
  return real.map((path, index) => (index === 0 ? path : dirname(path)));
}
