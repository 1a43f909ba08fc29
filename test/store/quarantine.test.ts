import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { quarantineWarnings } from '../../src/runs/quarantine-warnings.ts';
import { findIntactIndex, publishShardIndex, publishShards } from '../../src/store/shards.ts';
import { quarantineFolder } from '../../src/store/quarantine.ts';
import { toReference } from '../../src/store/artifact.ts';
import { temporaryStore } from '../support/temporary-store.ts';

const fingerprint = { schema: 1, stage: 'test' };

describe('a damaged artifact', () => {
  const temporary = temporaryStore();

  it('is named in the warnings of its run, with the reason and where its files are now', async () => {
    const { store } = temporary;
    const uri = 'run/pairs/shard-00000';
    const content = {
      fingerprint,
      records: [{ id: 'a', text: 'good' }],
      files: { 'skipped.jsonl': [{ id: 'b' }] },
    };
    const { sha256 } = await store.publish(uri, content);
    assert.deepEqual(await quarantineWarnings(store, 'run'), []);
    await replaceIn(store.locate(`${uri}/records.jsonl`), 'good', 'goad');
    assert.equal(await store.findIntact(uri, fingerprint), undefined);
    assert.equal((await store.publish(uri, content)).sha256, sha256);
    const [warning = '', ...more] = await quarantineWarnings(store, 'run');
    assert.match(warning, /^run\/pairs\/shard-00000 was damaged \(.+has sha256.+\) and was made again/);
    assert.deepEqual(more, []);
    const [, place = ''] = /The damaged files are in (\S+) and/.exec(warning) ?? [];
    assert.deepEqual(await store.names(place), [
      'manifest.json',
      'quarantine.json',
      'records.jsonl',
      'skipped.jsonl',
    ]);
    assert.match((await store.readText(`${place}/records.jsonl`)) ?? '', /goad/);
    // The one that was made again has the plain names.
    assert.match((await store.readText(`${uri}/records.jsonl`)) ?? '', /good/);
  });

  it('that means something else is refused, and left where it is', async () => {
    const { store } = temporary;
    const { uri } = await store.publish('run/pairs/shard-00000', { fingerprint, records: [{ id: 'a' }] });
    await rm(join(store.locate(uri), 'records.jsonl'));
    await assert.rejects(store.findIntact(uri, { other: true }), { name: 'FingerprintMismatch' });
    assert(existsSync(store.locate(uri)));
  });

  it('among the shards of an index is made again from the same input, to the same bytes', async () => {
    const { store } = temporary;
    const records = Array.from({ length: 6 }, (_, index) => ({ id: `id-${index}` }));
    const publish = async () => {
      const shards = await publishShards(store, 'run/pool', records, 2, fingerprint);
      return publishShardIndex(store, 'run/pool', shards, { fingerprint });
    };
    const index = await publish();
    assert.deepEqual(await findIntactIndex(store, 'run/pool', fingerprint), index);
    await replaceIn(join(store.locate('run/pool/shard-00001'), 'records.jsonl'), 'id-2', 'id-7');

    assert.equal(await findIntactIndex(store, 'run/pool', fingerprint), undefined);
    await publish();
    assert.deepEqual(await findIntactIndex(store, 'run/pool', fingerprint), index);
  });

  it('without a manifest is moved away with all below it, in an order that leaves the damage to be found again', async () => {
    const { store } = temporary;
    const { objects } = store;
    const uri = 'run/iteration-1/training';
    const names = ['fingerprint.json', 'model/weights', 'result.json', 'starts/0'];
    for (const name of names) await objects.put(`${uri}/${name}`, name);
    const moved: string[] = [];
    const move = objects.move.bind(objects);
    objects.move = (key, to) => {
      moved.push(key.slice(uri.length + 1));
      return move(key, to);
    };
    const last = ['result.json', 'fingerprint.json'];
    assert.equal(await quarantineFolder(objects, uri, 'no bytes', last), true);
    assert.deepEqual(moved, ['model/weights', 'starts/0', ...last]);
    assert.deepEqual(await objects.list(uri), []);
    const [warning = '', ...more] = await quarantineWarnings(store, 'run');
    assert.match(warning, /^run\/iteration-1\/training was damaged \(no bytes\) and was made again/);
    assert.deepEqual(more, []);
    const [, place = ''] = /The damaged files are in (\S+) and/.exec(warning) ?? [];
    for (const name of names) assert.equal(await store.readText(`${place}/${name}`), name);
    assert.equal(await quarantineFolder(objects, uri, 'no bytes', last), false);
  });

  it('is found also where a big file was hashed before, and changed since', async () => {
    const { store } = temporary;
    const reference = toReference(
      await store.publish('run/big', { fingerprint, records: [{ text: 'good '.repeat(400_000) }] }),
    );
    const key = await store.verifyRecords(reference);
    assert.equal(await store.verifyRecords(reference), key);
    await replaceIn(store.locate(key), 'good', 'goad');
    await assert.rejects(store.verifyRecords(reference), {
      name: 'ArtifactDamaged',
      message: /has sha256/,
    });
  });
});

async function replaceIn(file: string, from: string, to: string): Promise<void> {
  const text = await readFile(file, 'utf8');
  assert(text.includes(from));
  await writeFile(file, text.replace(from, to));
}
