import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { copyFinished } from '../../../src/reporting/exports/copy-finished.ts';
import { prunedModel, recordPrunedModel } from '../../../src/models/training/pruned-model.ts';
import { ArtifactStore } from '../../../src/store/artifact-store.ts';
import { openObjectStore } from '../../../src/store/drivers.ts';
import { fileKey } from '../../../src/store/manifest.ts';

describe('the copy of what a run has finished', () => {
  const empty = () => openObjectStore(`memory:${randomUUID()}`);
  const keysOf = async (store: ReturnType<typeof empty>) => (await store.list('')).map(({ key }) => key);
  const fingerprint = { schema: 1, stage: 'test' } as const;
  const publish = (store: ArtifactStore, uri: string) =>
    store.publish(uri, { fingerprint, records: [{ id: uri }], counts: {}, files: { 'skipped.jsonl': [] } });

  it('holds artifacts with all their files, and none of other runs, of attempts, journals or quarantine', async () => {
    const store = new ArtifactStore(empty());
    await publish(store, 'run/pairs/shard-00000');
    await publish(store, 'other/pairs/shard-00000');
    for (const key of [
      'run/pairs/shard-00001/records.jsonl',
      'run/pairs/shard-00001.journal/segment-1.jsonl',
      'run/pairs/shard-00002.quarantined-1/manifest.json',
      'run/archive/1/pairs/manifest.json',
      'run/iteration-1/training/checkpoints/checkpoint-5/model.safetensors',
    ])
      await store.objects.put(key, '{}');
    const target = empty();
    const counts = await copyFinished(store, target, 'run', () => undefined);
    const folder = 'run/pairs/shard-00000';
    const wanted = ['manifest.json', 'records.jsonl', 'skipped.jsonl'].map((name) => `${folder}/${name}`);
    assert.deepEqual(await keysOf(target), wanted);
    assert.equal(counts.objects, 3);
    assert.deepEqual(await copyFinished(store, target, 'run', () => undefined), { objects: 0, bytes: 0 });
  });

  it('says that weights of a judge were deleted', async () => {
    const store = new ArtifactStore(empty());
    const training = 'run/iteration-1/training';
    const note = { prunedAt: '2026-01-01T00:00:00.000Z', bytes: 7 };
    await recordPrunedModel(store, training, note);
    const target = empty();
    await copyFinished(store, target, 'run', () => undefined);
    assert.deepEqual(await prunedModel(new ArtifactStore(target), training), note);
  });

  it('goes on where it was interrupted, and ends an artifact with its manifest', async () => {
    const store = new ArtifactStore(empty());
    await publish(store, 'run/a');
    await publish(store, 'run/b');
    const target = empty();
    let left = 5;
    const interrupted = copyFinished(store, target, 'run', () => {
      if ((left -= 1) < 0) throw new Error('interrupted');
    });
    await assert.rejects(interrupted, /interrupted/);
    assert.equal((await keysOf(target)).includes('run/b/manifest.json'), false);
    const copied: string[] = [];
    await copyFinished(store, target, 'run', (key) => copied.push(key));
    assert.deepEqual(copied.at(-1), 'run/b/manifest.json');
    assert.equal(
      copied.some((key) => key.startsWith('run/a/')),
      false,
    );
  });

  it('leaves no damaged object and no manifest of its artifact there', async () => {
    const store = new ArtifactStore(empty());
    const manifest = await publish(store, 'run/pairs');
    await store.objects.put(fileKey(manifest, 'records.jsonl'), '{"id":"damaged"}\n');
    const target = empty();
    await assert.rejects(
      copyFinished(store, target, 'run', () => undefined),
      {
        name: 'ArtifactDamaged',
        message: /run\/pairs\/records\.jsonl has sha256 .*: it is damaged, and was not copied/,
      },
    );
    assert.deepEqual(
      (await keysOf(target)).filter((key) => !key.endsWith('skipped.jsonl')),
      [],
    );
  });
});
