import assert from 'node:assert/strict';
import type { ObjectStore } from '../../src/store/objects/object-store.ts';

/** How the objects of every driver's store are read. `objects` returns the empty store of a test. */
export function conformsToReads(objects: () => ObjectStore): void {
  it('are read as they were put, whole and as a stream', async () => {
    await objects().put('run/a.json', 'é');
    await objects().put('run/b', new Uint8Array([0, 255]));
    await objects().put('run/c', pieces('first ', 'second'));
    assert.equal((await objects().get('run/a.json'))?.content.toString(), 'é');
    assert.deepEqual((await objects().get('run/b'))?.content, Buffer.from([0, 255]));
    assert.equal((await objects().get('run/c'))?.content.toString(), 'first second');
    const streamed = await Array.fromAsync((await objects().stream('run/c')) ?? []);
    assert.equal(Buffer.concat(streamed).toString(), 'first second');
    assert.equal((await objects().head('run/c'))?.bytes, 12);
  });

  it('are read from their end, also if they are shorter or empty', async () => {
    await objects().put('log', 'first line, last line');
    await objects().put('empty', '');
    const ends = [9, 100].map((bytes) => objects().tail('log', bytes));
    const tails = await Promise.all([...ends, objects().tail('empty', 9), objects().tail('none', 9)]);
    assert.deepEqual(tails.map(String), ['last line', 'first line, last line', '', 'undefined']);
  });
}

async function* pieces(...texts: string[]): AsyncGenerator<Buffer> {
  for (const text of texts) yield Buffer.from(text);
  await Promise.resolve();
}
