import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ArtifactStore } from '../../src/artifacts/store.ts';

/** A store in a folder of its own for every test of the suite that calls this; gone after the test. */
export function temporaryStore(): { readonly store: ArtifactStore; readonly folder: string } {
  let folder = '';
  let store: ArtifactStore | undefined;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'store-'));
    store = new ArtifactStore(join(folder, 'store'));
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
