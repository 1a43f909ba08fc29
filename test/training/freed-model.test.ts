import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ArtifactStore } from '../../src/artifacts/store.ts';
import { findCheckpoint, storedCheckpoint } from '../../src/config/checkpoint.ts';
import { freedMessage, freedModel, noteFreedModel } from '../../src/training/freed-model.ts';

describe('a judge whose weights were freed', () => {
  let root: string;
  let training: string;
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'freed-'));
    training = join(root, 'run/iteration-1/training');
    await mkdir(join(training, 'model'), { recursive: true });
  });
  afterEach(() => rm(root, { recursive: true, force: true }));

  it('is one only once its model is gone, and a model that went without a note is none', async () => {
    const note = { freedAt: '2026-01-01T00:00:00.000Z', bytes: 7 };
    await noteFreedModel(training, note);
    assert.equal(freedModel(training), undefined, 'killed before it was moved away');
    await rm(join(training, 'model'), { recursive: true });
    assert.deepEqual(freedModel(training), note);
    await rm(join(training, 'freed.json'));
    assert.equal(freedMessage(join(training, 'model')), undefined);
  });

  it('says so to whoever names it as a checkpoint', async () => {
    await noteFreedModel(training, { freedAt: '2026-01-01T00:00:00.000Z', bytes: 7 });
    await rm(join(training, 'model'), { recursive: true });
    const checkpoint = storedCheckpoint('run/iteration-1/training/model');
    assert.throws(
      () => findCheckpoint(new ArtifactStore(root), { roots: [] }, checkpoint),
      /iteration-1\/training\/model was freed by .* at 2026-01-01/,
    );
  });
});
