import type { ArtifactStore } from '../../src/store/artifact-store.ts';

/** Records the local folders that a store gives from now on. */
export function watchLocalFolders({ objects }: ArtifactStore) {
  const given: string[] = [];
  const kept = new Set<string>();
  const localFolder = objects.localFolder.bind(objects);
  objects.localFolder = async (prefix) => {
    const folder = await localFolder(prefix);
    given.push(prefix);
    kept.add(folder.path);
    return {
      ...folder,
      async release() {
        await folder.release();
        kept.delete(folder.path);
      },
    };
  };
  return {
    /** The prefixes of all of them. */
    given: given as readonly string[],
    /** The paths of those that were not released yet. */
    kept: kept as ReadonlySet<string>,
  };
}
