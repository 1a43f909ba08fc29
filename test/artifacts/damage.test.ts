import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { glob, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { damageWarnings } from '../../src/artifacts/damage.ts';
import { completedIndex, publishIndex, publishInShards } from '../../src/artifacts/shards.ts';
import { referenceTo } from '../../src/artifacts/store.ts';
import { temporaryStore } from './temporary-store.ts';

const fingerprint = { schema: 1, stage: 'test' };

describe('a damaged artifact', () => {
  const temporary = temporaryStore();

  const damages: Readonly<Record<string, (folder: string) => Promise<unknown>>> = {
    'records with another byte': (folder) => replaceIn(join(folder, 'records.jsonl'), 'good', 'goad'),
    'records that are gone': (folder) => rm(join(folder, 'records.jsonl')),
    'records that were cut off': (folder) => writeFile(join(folder, 'records.jsonl'), '{"id"'),
    'a set-aside file that is gone': (folder) => rm(join(folder, 'set-aside.jsonl')),
    'no manifest beside its records': (folder) => rm(join(folder, 'manifest.json')),
    'a manifest that is not JSON': (folder) => writeFile(join(folder, 'manifest.json'), '{"schema"'),
    'a manifest that is something else': (folder) =>
      writeFile(join(folder, 'manifest.json'), '{"schema": 1}'),
  };
  for (const [damage, inflict] of Object.entries(damages)) {
    it(`with ${damage} is set aside, so that it is made again`, async () => {
      const { store } = temporary;
      const uri = 'run/pairs/shard-00000';
      const content = {
        fingerprint,
        records: [{ id: 'a', text: 'good' }],
        files: { 'set-aside.jsonl': [{ id: 'b' }] },
      };
      const first = await store.publish(uri, content);
      assert.deepEqual(await store.completed(uri, fingerprint), first);
      await inflict(store.path(uri));

      assert.equal(await store.completed(uri, fingerprint), undefined);
      const again = await store.publish(uri, content);
      assert.equal(again.sha256, first.sha256);
      assert.deepEqual(await store.completed(uri, fingerprint), again);
      const names = await readdir(store.path('run/pairs'));
      assert.equal(names.filter((name) => name.startsWith('shard-00000.damaged-')).length, 1);
      const [warning, ...more] = await damageWarnings(store, 'run');
      assert.match(warning ?? '', /^run\/pairs\/shard-00000 was damaged \(.+\) and was made again/);
      assert.deepEqual(more, []);
    });
  }

  it('is replaced also by who only publishes, and what was found is kept', async () => {
    const { store } = temporary;
    const folder = store.path('run/pairs/shard-00000');
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, 'notes.txt'), '');
    const reference = referenceTo(
      await store.publish('run/pairs/shard-00000', { fingerprint, records: [{ id: 'a' }] }),
    );
    assert.deepEqual(await store.records(reference), [{ id: 'a' }]);
    const kept = await Array.fromAsync(glob('run/pairs/*.damaged-*/notes.txt', { cwd: store.root }));
    assert.equal(kept.length, 1);
  });

  it('that means something else is refused, and left where it is', async () => {
    const { store } = temporary;
    const { uri } = await store.publish('run/pairs/shard-00000', { fingerprint, records: [{ id: 'a' }] });
    await rm(join(store.path(uri), 'records.jsonl'));
    await assert.rejects(store.completed(uri, { other: true }), { name: 'FingerprintMismatch' });
    assert(existsSync(store.path(uri)));
  });

  it('among the shards of an index is made again from the same input, to the same bytes', async () => {
    const { store } = temporary;
    const records = Array.from({ length: 6 }, (_, index) => ({ id: `id-${index}` }));
    const publish = async () => {
      const shards = await publishInShards(store, 'run/pool', records, 2, fingerprint);
      return publishIndex(store, 'run/pool', shards, { fingerprint });
    };
    const index = await publish();
    assert.deepEqual(await completedIndex(store, 'run/pool', fingerprint), index);
    await replaceIn(join(store.path('run/pool/shard-00001'), 'records.jsonl'), 'id-2', 'id-7');

    assert.equal(await completedIndex(store, 'run/pool', fingerprint), undefined);
    await publish();
    assert.deepEqual(await completedIndex(store, 'run/pool', fingerprint), index);
  });

  it('is found also where a big file was hashed before, and changed since', async () => {
    const { store } = temporary;
    const reference = referenceTo(
      await store.publish('run/big', { fingerprint, records: [{ text: 'good '.repeat(400_000) }] }),
    );
    const file = await store.recordsFile(reference);
    assert.equal(await store.recordsFile(reference), file);
    await replaceIn(file, 'good', 'goad');
    await assert.rejects(store.recordsFile(reference), { name: 'ArtifactDamaged', message: /has sha256/ });
  });
});

async function replaceIn(file: string, from: string, to: string): Promise<void> {
  const text = await readFile(file, 'utf8');
  assert(text.includes(from));
  await writeFile(file, text.replace(from, to));
}
