import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ArtifactStore } from '../../src/artifacts/store.ts';
import { checkpointArgument, findCheckpoint, storedCheckpoint } from '../../src/config/checkpoint.ts';

describe('a checkpoint', () => {
  let folder: string;
  let store: ArtifactStore;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'checkpoint-'));
    store = new ArtifactStore(join(folder, 'store'));
  });
  afterEach(() => rm(folder, { recursive: true }));
  const find = (checkpoint: string) => findCheckpoint(store, { roots: [folder] }, checkpoint);

  it('that a run has trained is found wherever the store stands now', async () => {
    await mkdir(store.path('run/iteration-1/training/model'), { recursive: true });
    const place = find(storedCheckpoint('run/iteration-1/training/model'));
    assert.deepEqual(place, { kind: 'folder', path: join(folder, 'store/run/iteration-1/training/model') });
    assert.throws(() => find('store:run/iteration-2/training/model'), /no such checkpoint: .*iteration-2/);
    assert.throws(() => find('store:../../etc'), /leads out of the store/);
  });

  it('is a folder where there is one, else what looks like a name on the hub', async () => {
    assert.deepEqual(find('meta-llama/Llama-3.1-8B-Instruct'), {
      kind: 'hub',
      id: 'meta-llama/Llama-3.1-8B-Instruct',
    });
    await mkdir(join(folder, 'meta-llama/Llama-3.1-8B-Instruct'), { recursive: true });
    const place = find('meta-llama/Llama-3.1-8B-Instruct');
    assert.equal(checkpointArgument(place), join(folder, 'meta-llama/Llama-3.1-8B-Instruct'));
  });

  it('that is neither is named with the paths that were tried', () => {
    assert.throws(() => find('models/seed/final'), {
      message: `no such file or folder: ${join(folder, 'models/seed/final')}`,
    });
    assert.throws(() => find('/models/seed'), /no such file or folder: \/models\/seed/);
  });
});
