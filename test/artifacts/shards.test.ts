import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import {
  publishIndex,
  publishInShards,
  recordsBehind,
  shardsOf,
  shardUri,
  sumCounts,
} from '../../src/artifacts/shards.ts';
import { referenceTo } from '../../src/artifacts/store.ts';
import { temporaryStore } from './temporary-store.ts';

const fingerprint = { schema: 1, stage: 'test' };
const records = Array.from({ length: 25 }, (_, index) => ({ id: String(index).padStart(2, '0') }));

describe('shards', () => {
  const temporary = temporaryStore();
  const behind = async (size: number) => {
    const shards = await publishInShards(temporary.store, 'run/pool', records, size, fingerprint);
    const index = referenceTo(await publishIndex(temporary.store, 'run/pool', shards, { fingerprint }));
    return { index, all: await Array.fromAsync(recordsBehind(temporary.store, index)) };
  };

  it('hold every record once, in order, behind one index', async () => {
    const { index, all } = await behind(10);
    assert.deepEqual(all, records);
    const sizes = (await shardsOf(temporary.store, index)).map((shard) => shard.records);
    assert.deepEqual(sizes, [10, 10, 5]);
  });

  it('keep the bounds that a crash has left some of, also where the size has changed since', async () => {
    await behind(10);
    await rm(temporary.store.path('run/pool/index'), { recursive: true });
    await rm(temporary.store.path(shardUri('run/pool', 2)), { recursive: true });
    const { index, all } = await behind(4);
    assert.deepEqual(all, records);
    const sizes = (await shardsOf(temporary.store, index)).map((shard) => shard.records);
    assert.deepEqual(sizes, [10, 10, 4, 1]);
  });

  it('sum their counts by name', () => {
    assert.deepEqual(sumCounts([{ a: 1, b: 2 }, {}, { b: 3, 'failed: context-length': 1 }]), {
      a: 1,
      b: 5,
      'failed: context-length': 1,
    });
  });
});
