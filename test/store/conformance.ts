import assert from 'node:assert/strict';
import { mkdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { ArtifactStore } from '../../src/store/artifact-store.ts';
import { checkStore } from '../../src/store/check-store.ts';
import { toReference, type Manifest } from '../../src/store/artifact.ts';
import { claimKey } from '../../src/store/claims.ts';
import { journalUri, JournalWriter, readJournal } from '../../src/store/journal.ts';
import { fileKey, manifestKey, readManifestState } from '../../src/store/manifest.ts';
import type { ObjectStore } from '../../src/store/objects/object-store.ts';
import { resumeShard } from '../../src/store/resume-shard.ts';
import { conformsToClaims } from './claim-conformance.ts';
import { conformsToReads } from './read-conformance.ts';
import { watchLocalFolders } from '../support/watch-local-folders.ts';
import { SAMPLES_PER_UNIT, sampledShard, SHARD_URI, UNIT_COUNT, type Sample } from './sampled-shard.ts';

const writers = Array.from({ length: 16 }, (_, index) => `writer ${index}`);

/**
 * What every driver of the store must do: run with `open`, which opens an empty store for each test.
 * @param emptyPrefixesLinger for a server that names a prefix for a while after its last object was deleted
 */
export function conformsToObjectStore(
  driver: string,
  open: () => Promise<ObjectStore>,
  { emptyPrefixesLinger = false } = {},
): void {
  describe(`the ${driver} driver of the store`, () => {
    let objects: ObjectStore;
    const text = async (key: string) => (await objects.get(key))?.content.toString('utf8');
    const keys = async (prefix: string) => (await objects.list(prefix)).map(({ key }) => key);

    beforeEach(async () => {
      objects = await open();
    });

    it('says that the store exists once it has an object', async () => {
      await objects.put('key', 'text');
      assert.equal(await objects.exists(), true);
    });

    describe('objects', () => {
      conformsToReads(() => objects);

      it('that do not exist are undefined, and can be deleted', async () => {
        assert.equal(await objects.get('none'), undefined);
        assert.equal(await objects.stream('none'), undefined);
        assert.equal(await objects.head('none'), undefined);
        assert.equal(await objects.head('run'), undefined);
        await objects.delete('none');
        assert.equal(await objects.move('none', 'other'), false);
      });

      it('are replaced by a put, and have another version afterwards', async () => {
        await objects.put('key', 'first');
        const first = await objects.head('key');
        await objects.put('key', 'other');
        assert.equal(await text('key'), 'other');
        assert.notEqual((await objects.head('key'))?.version, first?.version);
        assert.equal((await objects.get('key'))?.version, (await objects.head('key'))?.version);
      });

      it('are missing completely if their content fails half way', async () => {
        async function* failing() {
          yield Buffer.from('half');
          await Promise.resolve();
          throw new Error('half way');
        }
        await assert.rejects(objects.put('run/a', failing()), /half way/);
        await assert.rejects(objects.putIfAbsent('run/a', failing()), /half way/);
        assert.deepEqual([await keys(''), await objects.listIncomplete('')], [[], []]);
      });

      it('are refused under a key that leads out of the store', async () => {
        for (const key of ['..', '../other', 'run/../../x', '/etc/passwd'])
          await assert.rejects(async () => objects.put(key, ''), /leads out of the store/, key);
        await objects.put('run/..x', 'good');
        assert.equal(await text('run/..x'), 'good');
      });

      it('can be moved, and are listed under their new key alone', async () => {
        await objects.put('run/a', 'text');
        assert.equal(await objects.move('run/a', 'archive/run/a'), true);
        assert.equal(await text('archive/run/a'), 'text');
        assert.deepEqual(await keys(''), ['archive/run/a']);
      });
    });

    describe('lists', () => {
      it('hold every object from the moment its put ends, and none after its delete', async () => {
        for (let index = 0; index < 20; index += 1) {
          await objects.put(`run/${index}`, '');
          assert((await keys('run')).includes(`run/${index}`));
        }
        await objects.delete('run/7');
        assert.equal((await keys('run')).length, 19);
      });

      it('are of whole parts of keys, in order', async () => {
        for (const key of ['run/b/2', 'run/a', 'run/b/1', 'run-2/a']) await objects.put(key, 'x');
        assert.deepEqual(await keys('run'), ['run/a', 'run/b/1', 'run/b/2']);
        assert.deepEqual(await keys('run/b'), ['run/b/1', 'run/b/2']);
        assert.deepEqual(await keys('none'), []);
        assert.deepEqual(await objects.children('run'), [
          { name: 'a', kind: 'object' },
          { name: 'b', kind: 'prefix' },
        ]);
        assert.deepEqual(
          (await objects.children('')).map(({ name }) => name),
          ['run', 'run-2'],
        );
      });

      it('do not name a prefix whose last object was deleted', async () => {
        await objects.put('run/a/b/c', '');
        await objects.delete('run/a/b/c');
        if (!emptyPrefixesLinger) assert.deepEqual(await objects.children('run'), []);
        assert.deepEqual(await keys('run'), []);
        await objects.put('run/a/b/c', '');
        assert.deepEqual(await keys('run'), ['run/a/b/c']);
      });
    });

    describe('conditional puts', () => {
      it('create an object for one of many writers at once', async () => {
        for (let round = 0; round < 20; round += 1) {
          const key = `run/created/${round}`;
          const won = await Promise.all(writers.map((writer) => objects.putIfAbsent(key, writer)));
          assert.equal(won.filter(Boolean).length, 1);
          assert.equal(await text(key), writers[won.indexOf(true)]);
          assert.equal(await objects.putIfAbsent(key, 'late'), false);
        }
      });

      it('replace a version for one of many writers at once', async () => {
        await objects.put('run/state', 'first');
        for (let round = 0; round < 20; round += 1) {
          const { version = '' } = (await objects.head('run/state')) ?? {};
          const won = await Promise.all(
            writers.map((writer) => objects.replaceIfVersion('run/state', `${writer} of ${round}`, version)),
          );
          assert.equal(won.filter(Boolean).length, 1);
          assert.equal(await text('run/state'), `${writers[won.indexOf(true)]} of ${round}`);
        }
      });

      it('lose no increment of a counter that many writers raise by compare-and-set', async () => {
        await objects.put('run/counter', '0');
        const raise = async (): Promise<void> => {
          for (;;) {
            const found = await objects.get('run/counter');
            assert(found !== undefined);
            const next = String(Number(found.content.toString()) + 1);
            if (await objects.replaceIfVersion('run/counter', next, found.version)) return;
          }
        };
        await Promise.all(writers.map(raise));
        assert.equal(await text('run/counter'), String(writers.length));
        assert.deepEqual(await objects.listIncomplete(''), []);
      });

      it('refuse a version that was replaced or deleted', async () => {
        await objects.put('key', 'first');
        const { version = '' } = (await objects.head('key')) ?? {};
        assert.equal(await objects.replaceIfVersion('key', 'second', version), true);
        assert.equal(await objects.replaceIfVersion('key', 'stale', version), false);
        assert.equal(await text('key'), 'second');
        await objects.delete('key');
        assert.equal(await objects.replaceIfVersion('key', 'absent', version), false);
        assert.equal(await objects.get('key'), undefined);
      });

      it('under several keys never replace an object', async () => {
        const names = ['own', 'other', 'third'];
        await objects.put('own', 'there');
        const key = await objects.putUnderFreeKey(names, 'new');
        assert(key === 'other' || key === 'third');
        assert.equal(await text(key), 'new');
        assert.equal(await text('own'), 'there');
        for (const name of names) await objects.putIfAbsent(name, 'there');
        assert.equal(await objects.putUnderFreeKey(names, 'newer'), undefined);
      });
    });

    it('passes the trial of a worker at its start, which leaves nothing behind', async () => {
      await objects.put('run/state.json', '{}');
      await checkStore(() => objects);
      assert.deepEqual([await keys(''), await objects.listIncomplete('')], [['run/state.json'], []]);
      if (!emptyPrefixesLinger)
        assert.deepEqual(await objects.children(''), [{ name: 'run', kind: 'prefix' }]);
    });

    describe('a local folder', () => {
      it('has the objects as files, and stores what a program changes in them', async () => {
        for (const key of ['run/model/kept', 'run/model/changed', 'run/model/sub/deleted'])
          await objects.put(key, 'before');
        const folder = await objects.localFolder('run/model');
        assert.equal(await readFile(join(folder.path, 'kept'), 'utf8'), 'before');
        await writeFile(join(folder.path, 'changed'), 'afterwards');
        await rm(join(folder.path, 'sub/deleted'));
        await mkdir(join(folder.path, 'new'));
        await writeFile(join(folder.path, 'new/file'), 'new');
        await folder.publish();
        await folder.release();
        assert.equal(await text('run/model/kept'), 'before');
        assert.equal(await text('run/model/changed'), 'afterwards');
        assert.equal(await text('run/model/new/file'), 'new');
        assert.equal(await text('run/model/sub/deleted'), undefined);
      });

      it('stores a link to a file as the content of the file', async function () {
        await objects.put('run/weights', 'weights');
        const store = new ArtifactStore(objects);
        let hasLinks = true;
        await store.withLocalFolder('run', async (target) =>
          store.withLocalFolder('outputs', async (folder) => {
            await mkdir(folder.path, { recursive: true });
            // exFAT has no symbolic links.
            hasLinks = await symlink(join(target.path, 'weights'), join(folder.path, 'link')).then(
              () => true,
              (error: NodeJS.ErrnoException) => error.code !== 'ENOSYS',
            );
            await folder.publish();
          }),
        );
        if (!hasLinks) this.skip();
        assert.equal(await text('outputs/link'), 'weights');
      });

      it('is released when its use ends, also by an error', async () => {
        await objects.put('run/file', 'text');
        const store = new ArtifactStore(objects);
        const { kept, given } = watchLocalFolders(store);
        const read = await store.withLocalFolder('run', ({ path }) => readFile(join(path, 'file'), 'utf8'));
        assert.equal(read, 'text');
        const failure = new Error('of the use');
        await assert.rejects(
          store.withLocalFolder('run', () => Promise.reject(failure)),
          failure,
        );
        assert.deepEqual([given, [...kept]], [['run', 'run'], []]);
      });

      it('can be asked for where there is no object yet', async () => {
        const folder = await objects.localFolder('run/model');
        await mkdir(dirname(join(folder.path, 'sub/file')), { recursive: true });
        await writeFile(join(folder.path, 'sub/file'), 'new');
        await folder.publish();
        await folder.release();
        assert.equal(await text('run/model/sub/file'), 'new');
      });
    });

    conformsToClaims(() => objects);

    describe('journals', () => {
      const write = async (...records: object[]) => {
        const writer = await JournalWriter.open(objects, 'run.journal');
        for (const record of records) writer.append(record);
        await writer.close();
      };
      const ids = async () =>
        (await readJournal<{ id: string }>(objects, 'run.journal')).map(({ id }) => id).sort();

      it('give back the records of every attempt', async () => {
        await write({ id: 'a', text: 'line\nbreak \u2028 é' }, { id: 'b' });
        await write({ id: 'c' });
        await write();
        assert.deepEqual(await ids(), ['a', 'b', 'c']);
      });

      it('are read up to a last line that a crash has truncated, and after it in another segment', async () => {
        const log = await objects.openLog('run.journal/segment-1.jsonl');
        await log.append('{"id":"a"}\n{"id":"trunc');
        await log.sync();
        await log.close();
        assert.deepEqual(await ids(), ['a']);
        await write({ id: 'b' });
        assert.deepEqual(await ids(), ['a', 'b']);
      });

      it('hold a record soon, while the attempt goes on', async () => {
        const writer = await JournalWriter.open(objects, 'run.journal');
        try {
          writer.append({ id: 'a' });
          // A loaded disk or server may take long.
          const deadline = Date.now() + 30_000;
          while ((await ids()).length === 0 && Date.now() < deadline)
            await new Promise((resolve) => setTimeout(resolve, 20));
          assert.deepEqual(await ids(), ['a']);
        } finally {
          await writer.close();
        }
      });
    });

    describe('artifacts', () => {
      const uri = 'run/pairs/shard-00000';
      const fingerprint = { schema: 1, stage: 'test' };
      const logged: string[] = [];
      let store: ArtifactStore;
      beforeEach(() => {
        logged.length = 0;
        store = new ArtifactStore(objects, (line) => logged.push(line));
      });
      const content = {
        fingerprint,
        records: [{ id: 'a', text: 'good' }],
        files: { 'skipped.jsonl': [{ id: 'b' }] },
      };

      it('are the first one published, for everybody who publishes the same again', async () => {
        const attempts = await Promise.all(
          writers.map((writer) => store.publish(uri, { fingerprint, records: [{ id: writer }] })),
        );
        const again = await store.publish(uri, { fingerprint, records: [{ id: 'late' }] });
        assert.equal(new Set([...attempts, again].map(({ sha256 }) => sha256)).size, 1);
        assert.equal((await store.readRecords(toReference(again))).length, 1);
        // The others have deleted what they had written.
        assert.equal((await keys(uri)).length, 2);
      });

      it('are published beside what an interrupted attempt has left', async () => {
        await objects.put(`${uri}/records.jsonl`, '{"id":"half');
        await objects.put(`${uri}/skipped.jsonl`, '');
        assert.equal(await store.findIntact(uri, fingerprint), undefined);
        const manifest = await store.publish(uri, content);
        assert.deepEqual(await store.readRecords(toReference(manifest)), content.records);
        assert.deepEqual(await store.readLines(uri, 'skipped.jsonl'), content.files['skipped.jsonl']);
        assert.deepEqual(await store.findIntact(uri, fingerprint), manifest);
        const stored = await text(await store.verifyRecords(toReference(manifest)));
        assert.equal(stored, '{"id":"a","text":"good"}\n');
      });

      it('with another fingerprint are refused, and stay', async () => {
        const existing = await store.publish(uri, content);
        const other = { ...content, fingerprint: { ...fingerprint, stage: 'other' } };
        await assert.rejects(store.publish(uri, other), { name: 'FingerprintMismatch' });
        await assert.rejects(store.findIntact(uri, other.fingerprint), { name: 'FingerprintMismatch' });
        assert.deepEqual(await store.findIntact(uri, fingerprint), existing);
        assert.equal((await keys(uri)).length, 3);
      });

      const damages: Readonly<Record<string, (manifest: Manifest) => Promise<void>>> = {
        'records with another byte': (manifest) =>
          objects.put(fileKey(manifest, 'records.jsonl'), '{"id":"a","text":"goad"}\n'),
        'missing records': (manifest) => objects.delete(fileKey(manifest, 'records.jsonl')),
        'truncated records': (manifest) => objects.put(fileKey(manifest, 'records.jsonl'), '{"id"'),
        'a missing file of skipped records': (manifest) => objects.delete(fileKey(manifest, 'skipped.jsonl')),
        'a manifest that is no JSON': () => objects.put(manifestKey(uri), '{"schema"'),
        'another manifest': () => objects.put(manifestKey(uri), '{"schema": 1}'),
      };
      for (const [damage, inflict] of Object.entries(damages)) {
        it(`with ${damage} are quarantined once, and made again`, async () => {
          const first = await store.publish(uri, content);
          await inflict(first);
          const found = await Promise.all(writers.map(() => store.findIntact(uri, fingerprint)));
          assert.deepEqual(new Set(found), new Set([undefined]));
          assert.equal(logged.length, 1);
          assert.equal(await store.readManifest(uri), undefined);
          const again = await store.publish(uri, content);
          assert.equal(again.sha256, first.sha256);
          assert.deepEqual(await store.findIntact(uri, fingerprint), again);
          assert.deepEqual(await store.readRecords(toReference(again)), content.records);
          const quarantined = (await store.names('run/pairs')).filter((name) =>
            name.includes('.quarantined-'),
          );
          assert.equal(quarantined.length, 1);
          assert.match((await text(`run/pairs/${quarantined[0]}/quarantine.json`)) ?? '', /reason/);
        });
      }

      it('that were made again in the meantime are not quarantined for the earlier damage', async () => {
        const first = await store.publish(uri, content);
        await objects.delete(fileKey(first, 'records.jsonl'));
        const seen = await readManifestState(objects, uri);
        await store.findIntact(uri, fingerprint);
        const again = await store.publish(uri, content);
        assert(seen.kind === 'manifest');
        assert.equal(await objects.replaceIfVersion(manifestKey(uri), 'late', seen.version), false);
        assert.deepEqual(await store.findIntact(uri, fingerprint), again);
      });
    });

    describe('shards', () => {
      it('resume at the record after an attempt that failed', async () => {
        const store = new ArtifactStore(objects);
        const requested: string[] = [];
        const shard = sampledShard({}, (id) => requested.push(id));
        const failing = {
          ...shard,
          processUnit: async (...unit: Parameters<typeof shard.processUnit>) => {
            if (unit[0].id === 'unit-20') throw new Error('endpoint is down');
            await shard.processUnit(...unit);
          },
        };
        await assert.rejects(resumeShard(store, failing), /endpoint is down/);
        const stored = (await readJournal<Sample>(objects, journalUri(SHARD_URI))).map(({ id }) => id);
        assert.deepEqual(stored.toSorted(), requested.toSorted());
        const manifest = await resumeShard(store, shard);
        assert.equal(requested.length, UNIT_COUNT * SAMPLES_PER_UNIT);
        assert.equal(new Set(requested).size, requested.length);
        assert.equal(manifest.records, requested.length);
        assert.deepEqual(await keys(journalUri(SHARD_URI)), []);
      });

      for (const [damage, content] of Object.entries({ empty: '', truncated: '{"token": "a", "finger' }))
        it(`are done by the next attempt if the lease of the last one is ${damage}, with its records`, async () => {
          const requested: string[] = [];
          const shard = sampledShard({}, (id) => requested.push(id));
          const journal = journalUri(SHARD_URI);
          const writer = await JournalWriter.open(objects, journal);
          const existing: Sample[] = [];
          const end = { stop: shard.signal, abort: shard.signal };
          await shard.processUnit({ id: 'unit-0' }, [], (record) => existing.push(record), end);
          for (const record of existing) writer.append(record);
          await writer.close();
          await objects.put(claimKey(`${journal}/leases`, 1), content);
          const manifest = await resumeShard(new ArtifactStore(objects), shard);
          assert.equal(manifest.records, UNIT_COUNT * SAMPLES_PER_UNIT);
          assert.equal(requested.length, UNIT_COUNT * SAMPLES_PER_UNIT);
        });

      it('are published by one of two attempts at once', async () => {
        const store = new ArtifactStore(objects);
        const shard = sampledShard({ concurrency: 20 });
        const attempts = await Promise.allSettled([resumeShard(store, shard), resumeShard(store, shard)]);
        const published = attempts.filter(({ status }) => status === 'fulfilled');
        assert(published.length >= 1);
        for (const attempt of attempts)
          if (attempt.status === 'rejected') assert.equal((attempt.reason as Error).name, 'LeaseLost');
        const manifest = await store.readManifest(SHARD_URI);
        assert.equal(manifest?.records, UNIT_COUNT * SAMPLES_PER_UNIT);
      });
    });
  });
}
