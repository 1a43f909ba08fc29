import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { openObjectStore, resolveStoreAddress } from '../../src/store/drivers.ts';
import { readJournal } from '../../src/store/journal.ts';
import { conformsToObjectStore } from './conformance.ts';

describe('a store by its address', () => {
  it('is a folder unless the address begins with a scheme', () => {
    assert.equal(openObjectStore('some/folder').address, resolve('some/folder'));
    assert.equal(resolveStoreAddress('some/folder'), resolve('some/folder'));
    assert.equal(resolveStoreAddress('memory:test'), 'memory:test');
    assert.throws(() => openObjectStore('ftp://host/path'), /is not a known kind of store/);
  });

  it('is the same store for everybody who opens a memory address', async () => {
    const address = `memory:${randomUUID()}`;
    await openObjectStore(address).put('key', 'text');
    assert.equal((await openObjectStore(address).get('key'))?.content.toString(), 'text');
    assert.equal(await openObjectStore(`memory:${randomUUID()}`).get('key'), undefined);
  });
});

conformsToObjectStore('memory', async () => openObjectStore(`memory:${randomUUID()}`));
conformsToObjectStore('below a prefix in memory', async () => openObjectStore(`memory:${randomUUID()}/team`));

describe('in a folder', () => {
  let root: string;
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'store-'));
  });
  afterEach(() => rm(root, { recursive: true }));

  conformsToObjectStore('folder', async () => openObjectStore(join(root, 'store')));

  it('an object is a file of the same name, and a local folder is the folder itself', async () => {
    const objects = openObjectStore(root);
    await objects.put('run/state.json', '{}');
    assert.equal(await readFile(join(root, 'run/state.json'), 'utf8'), '{}');
    assert.equal((await objects.localFolder('run')).path, join(root, 'run'));
    assert.equal(objects.locate('run/state.json'), join(root, 'run/state.json'));
    assert.deepEqual(await readdir(join(root, 'run')), ['state.json']);
  });

  it('a store exists if its folder does, with or without an object', async () => {
    assert.equal(await openObjectStore(root).exists(), true);
    assert.equal(await openObjectStore(join(root, 'missing')).exists(), false);
    await writeFile(join(root, 'file'), '');
    assert.equal(await openObjectStore(join(root, 'file')).exists(), false);
  });

  it('a file that an interrupted put has left is no object, and can be found and deleted', async () => {
    const objects = openObjectStore(root);
    await objects.put('run/a', '');
    await writeFile(join(root, `run/b.tmp-${randomUUID()}`), 'half');
    assert.deepEqual(
      (await objects.list('')).map(({ key }) => key),
      ['run/a'],
    );
    assert.equal((await objects.children('run')).length, 1);
    const [incomplete] = await objects.listIncomplete('run');
    assert.match(incomplete?.key ?? '', /^run\/b\.tmp-/);
    await objects.delete(incomplete?.key ?? '');
    assert.deepEqual(await readdir(join(root, 'run')), ['a']);
  });

  it('a journal is read around a line of which blocks never reached the disk', async () => {
    const objects = openObjectStore(root);
    await mkdir(join(root, 'run.journal'));
    const lines = '{"id":"a"}\n{"id":"\0\0\0\0\0\0\0\0\n\0\0\0\0\n{"id":"b"}\n';
    await writeFile(join(root, 'run.journal/segment-1.jsonl'), lines);
    const ids = (await readJournal<{ id: string }>(objects, 'run.journal')).map(({ id }) => id);
    assert.deepEqual(ids, ['a', 'b']);
  });

  it('an object can be replaced again half a minute after a process ended in the middle of that', async () => {
    const objects = openObjectStore(root);
    await objects.put('state', 'first');
    const { version = '' } = (await objects.head('state')) ?? {};
    const guard = join(root, `state.tmp-after-${version}`);
    await writeFile(guard, 'second');
    assert.equal(await objects.replaceIfVersion('state', 'third', version), false);
    const halfAMinuteAgo = Date.now() / 1000 - 31;
    await utimes(guard, halfAMinuteAgo, halfAMinuteAgo);
    assert.equal(await objects.replaceIfVersion('state', 'third', version), true);
    assert.deepEqual(await readdir(root), ['state']);
  });
});
