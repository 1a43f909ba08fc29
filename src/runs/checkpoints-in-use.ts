import { readdir, realpath } from 'node:fs/promises';
import { dirname, join, relative, resolve, sep } from 'node:path';
import type { ArtifactStore } from '../store/artifact-store.ts';
import { storeUriOf } from './find-checkpoint.ts';
import type { StoredRun } from './stored-run.ts';

/** Matches the path of a judge of a run, wherever a worker has mounted the store. */
const JUDGE = /[^/]+\/(iteration-\d+\/training|outputs)\/model$/;

/**
 * The uris of this store's checkpoints from which runs and evaluations start: the judge of one run may be the seed
 * model of another. Because another worker may resolve a path differently, every possible meaning is included: a
 * folder below any of the roots or beside the store, the targets of links, and the judge of this store with the same
 * run and iteration at the end of its path.
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
    const uri = storeUriOf(checkpoint);
    const paths =
      uri === undefined
        ? [...roots, dirname(store.address)].map((root) => resolve(root, checkpoint))
        : [store.locate(uri)];
    const candidates = paths.flatMap((path) => [path, ...inThisStore(store, path)]);
    const linked = (await Promise.all(candidates.map(linkTargets))).flat();
    for (const path of [...candidates, ...linked.flatMap((each) => [each, ...inThisStore(store, each)])])
      inUse.add(path);
  }
  const folders = await runFolders(store);
  return new Set([...inUse].flatMap((path) => urisOf(folders, path)));
}

/**
 * The folders of the store's runs by name, each also by its real path, because a run may be linked into the store.
 */
async function runFolders(store: ArtifactStore): Promise<{ name: string; folder: string }[]> {
  const names = await store.names('');
  const found = await Promise.all(
    names.map(async (name) => {
      const folder = store.locate(name);
      return [folder, await realpath(folder).catch(() => folder)].map((each) => ({ name, folder: each }));
    }),
  );
  return found.flat();
}

function urisOf(folders: readonly { name: string; folder: string }[], path: string): string[] {
  return folders
    .filter(({ folder }) => path.startsWith(folder + sep))
    .map(({ name, folder }) => [name, ...relative(folder, path).split(sep)].join('/'));
}

function inThisStore(store: ArtifactStore, path: string): string[] {
  const uri = JUDGE.exec(path)?.[0];
  return uri === undefined ? [] : [store.locate(uri)];
}

/** The folder's real path, and those of the folders to which its files are links, as in a run's `outputs/model`. */
async function linkTargets(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  const links = entries.filter((entry) => entry.isSymbolicLink()).map(({ name }) => join(folder, name));
  const real = await Promise.all([folder, ...links].map((path) => realpath(path).catch(() => path)));
  return real.map((path, index) => (index === 0 ? path : dirname(path)));
}
