import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openStore, type ArtifactStore } from '../../src/store/artifact-store.ts';

/** Creates a store in a temporary folder for each test of the calling suite, and deletes it afterwards. */
export function temporaryStore(): { readonly store: ArtifactStore; readonly folder: string } {
  let folder = '';
  let store: ArtifactStore | undefined;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'store-'));
    store = openStore(join(folder, 'store'));
  });
  afterEach(() => rm(folder, { recursive: true }));
  return {
    get store() {
      if (store === undefined) throw new Error('there is a store in tests only');
      return store;
    },
    get folder() {
      return folder;
    },
  };
}
