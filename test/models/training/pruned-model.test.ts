import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openStore, type ArtifactStore } from '../../../src/store/artifact-store.ts';
import { findCheckpoint, toStoreCheckpoint } from '../../../src/runs/find-checkpoint.ts';
import {
  prunedModelMessage,
  prunedModel,
  recordPrunedModel,
} from '../../../src/models/training/pruned-model.ts';

describe('a judge whose weights were freed', () => {
  let root: string;
  let store: ArtifactStore;
  const training = 'run/iteration-1/training';
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'freed-'));
    store = openStore(root);
    await store.writeText(`${training}/model/config.json`, '{}');
    await store.writeText(`${training}/model/model.safetensors`, 'weights');
  });
  afterEach(() => rm(root, { recursive: true, force: true }));

  it('is one only once its model is gone, and a model that went without a note is none', async () => {
    const note = { prunedAt: '2026-01-01T00:00:00.000Z', bytes: 7 };
    await recordPrunedModel(store, training, note);
    assert.equal(
      await prunedModel(store, training),
      undefined,
      'interrupted before the first file was deleted',
    );
    await store.objects.delete(`${training}/model/config.json`);
    assert.deepEqual(await prunedModel(store, training), note, 'interrupted after it');
    await store.objects.delete(`${training}/pruned.json`);
    assert.equal(await prunedModelMessage(store, `${training}/model`), undefined);
  });

  it('says so to whoever names it as a checkpoint', async () => {
    await recordPrunedModel(store, training, { prunedAt: '2026-01-01T00:00:00.000Z', bytes: 7 });
    for (const { key } of await store.objects.list(`${training}/model`)) await store.objects.delete(key);
    const checkpoint = toStoreCheckpoint('run/iteration-1/training/model');
    await assert.rejects(
      () => findCheckpoint(store, { roots: [] }, checkpoint),
      /iteration-1\/training\/model was deleted by .* at 2026-01-01/,
    );
  });
});
