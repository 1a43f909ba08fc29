import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { openStore } from '../../src/store/artifact-store.ts';
import {
  publishShardIndex,
  publishShards,
  readShardedRecords,
  readShardReferences,
  shardUri,
} from '../../src/store/shards.ts';
import { sumCounts } from '../../src/platform/sum-counts.ts';
import { toReference } from '../../src/store/artifact.ts';
import { temporaryStore } from '../support/temporary-store.ts';

const fingerprint = { schema: 1, stage: 'test' };
const records = Array.from({ length: 25 }, (_, index) => ({ id: String(index).padStart(2, '0') }));

describe('shards', () => {
  const temporary = temporaryStore();
  const behind = async (size: number) => {
    const shards = await publishShards(temporary.store, 'run/pool', records, size, fingerprint);
    const index = toReference(await publishShardIndex(temporary.store, 'run/pool', shards, { fingerprint }));
    return { index, all: await Array.fromAsync(readShardedRecords(temporary.store, index)) };
  };

  it('hold every record once, in order, behind one index', async () => {
    const { index, all } = await behind(10);
    assert.deepEqual(all, records);
    const sizes = (await readShardReferences(temporary.store, index)).map((shard) => shard.records);
    assert.deepEqual(sizes, [10, 10, 5]);
  });

  it('keep the bounds that a crash has left some of, also where the size has changed since', async () => {
    await behind(10);
    await rm(temporary.store.locate('run/pool/index'), { recursive: true });
    await rm(temporary.store.locate(shardUri('run/pool', 2)), { recursive: true });
    const { index, all } = await behind(4);
    assert.deepEqual(all, records);
    const sizes = (await readShardReferences(temporary.store, index)).map((shard) => shard.records);
    assert.deepEqual(sizes, [10, 10, 4, 1]);
  });

  it('are published several at a time in a remote store, with the same bounds, also after a crash', async () => {
    const store = openStore(`memory:${randomUUID()}`);
    const publish = () => publishShards(store, 'run/pool', records, 4, fingerprint);
    const shards = await publish();
    assert.deepEqual(
      shards.map((shard) => shard.records),
      [4, 4, 4, 4, 4, 4, 1],
    );
    const { objects } = store;
    for (const { key } of await objects.list(shardUri('run/pool', 2))) await objects.delete(key);
    assert.deepEqual((await publish()).map(toReference), shards.map(toReference));
    const index = toReference(await publishShardIndex(store, 'run/pool', shards, { fingerprint }));
    assert.deepEqual(await Array.fromAsync(readShardedRecords(store, index)), records);
  });

  it('sum their counts by name', () => {
    assert.deepEqual(sumCounts([{ a: 1, b: 2 }, {}, { b: 3, 'failed: context-length': 1 }]), {
      a: 1,
      b: 5,
      'failed: context-length': 1,
    });
  });
});
