import assert from 'node:assert/strict';
import { readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { openStore } from '../../src/store/artifact-store.ts';
import { toReference } from '../../src/store/artifact.ts';
import { writeFileAtomically } from '../../src/platform/atomic-write.ts';
import { temporaryStore } from '../support/temporary-store.ts';

const fingerprint = { schema: 1, stage: 'test', sampling: { temperature: 0.7, topP: 0.9 } };

describe('an artifact store', () => {
  const temporary = temporaryStore();
  const publish = (records: unknown[], meaning: typeof fingerprint = fingerprint) =>
    temporary.store.publish('run/pairs/shard-00000', { fingerprint: meaning, records });

  it('gives back what was published, by a reference that says what it must be', async () => {
    const { store } = temporary;
    const manifest = await store.publish('run/pairs', {
      fingerprint,
      records: [{ b: 1, a: 'é' }, { a: 2 }],
      counts: { pairs: 2 },
      summary: { mean: 0.5 },
      files: { 'skipped.jsonl': [{ id: 'x' }] },
    });
    assert.deepEqual(await store.readRecords(toReference(manifest)), [{ a: 'é', b: 1 }, { a: 2 }]);
    assert.deepEqual(await store.findIntact('run/pairs', fingerprint), manifest);
    const { schema, uri, records, bytes, counts, summary } = manifest;
    assert.deepEqual(
      { schema, uri, records, bytes, counts, summary },
      { schema: 1, uri: 'run/pairs', records: 2, bytes: 25, counts: { pairs: 2 }, summary: { mean: 0.5 } },
    );
    assert.equal(await readFile(join(store.locate('run/pairs'), 'skipped.jsonl'), 'utf8'), '{"id":"x"}\n');
  });

  it('gives equal records equal bytes whatever order their fields were set in', async () => {
    const first = await temporary.store.publish('run/a', {
      fingerprint,
      records: [{ a: { c: 1, d: [2] }, b: 3 }],
    });
    const second = await temporary.store.publish('run/b', {
      fingerprint,
      records: [{ b: 3, a: { d: [2], c: 1 } }],
    });
    assert.equal(first.sha256, second.sha256);
  });

  it('can be moved: references hold in the new place', async () => {
    const manifest = await publish([{ id: 'a' }]);
    const elsewhere = join(temporary.folder, 'remote');
    await rename(temporary.store.address, elsewhere);
    assert.deepEqual(await openStore(elsewhere).readRecords(toReference(manifest)), [{ id: 'a' }]);
  });

  it('has nothing of an artifact whose records fail half way', async () => {
    const { store } = temporary;
    async function* failing() {
      yield { id: 'a' };
      await Promise.resolve();
      throw new Error('half way');
    }
    await assert.rejects(store.publish('run/pairs', { fingerprint, records: failing() }), /half way/);
    assert.deepEqual(await store.names('run'), []);
    assert.deepEqual(await readdir(store.address), []);
    assert.equal(await store.findIntact('run/pairs', fingerprint), undefined);
  });

  it('refuses an artifact of the same name that means something else, and lists the fields', async () => {
    const standing = await publish([{ id: 'a' }]);
    const other = { ...fingerprint, schema: 2, sampling: { temperature: 1, topP: 0.9 } };
    const wanted = {
      name: 'FingerprintMismatch',
      fields: ['sampling.temperature', 'schema'],
      message: /sampling\.temperature was 0\.7, now 1; schema was 1, now 2.*"rerunFrom"/,
    };
    await assert.rejects(publish([{ id: 'b' }], other), wanted);
    await assert.rejects(temporary.store.findIntact('run/pairs/shard-00000', other), wanted);
    assert.deepEqual(await temporary.store.readRecords(toReference(standing)), [{ id: 'a' }]);
  });

  it('finds records that are damaged, missing or not the ones that a reference means', async () => {
    const { store } = temporary;
    const reference = toReference(await publish([{ id: 'a', text: 'good' }]));
    const file = join(store.locate(reference.uri), 'records.jsonl');
    const text = await readFile(file, 'utf8');
    for (const damaged of [text.replace('good', 'goad'), text.slice(0, -1), '']) {
      await writeFile(file, damaged);
      await assert.rejects(store.readRecords(reference), {
        name: 'ArtifactDamaged',
        message: /records\.jsonl has sha256/,
      });
    }
    await rm(file);
    await assert.rejects(store.readRecords(reference), { name: 'ArtifactDamaged', message: /is missing/ });
    await writeFile(join(store.locate(reference.uri), 'manifest.json'), '{"schema"');
    await assert.rejects(store.readManifest(reference.uri), {
      name: 'ArtifactDamaged',
      message: /manifest\.json is not a manifest: .*JSON/,
    });
  });

  it('refuses a uri that leads out of it', async () => {
    const { store } = temporary;
    for (const uri of ['..', '../store-2/x', 'run/../../x', '/etc/passwd', `${store.address}-2`]) {
      assert.throws(() => store.locate(uri), /leads out of the store/, uri);
    }
    await assert.rejects(store.publish('../x', { fingerprint, records: [] }), /leads out of the store/);
    assert.equal(store.locate('run/..x'), join(store.address, 'run/..x'));
  });
});

describe('a file that is written atomically', () => {
  const temporary = temporaryStore();

  it('replaces the one before and leaves no draft', async () => {
    const file = join(temporary.folder, 'state', 'result.json');
    await writeFileAtomically(file, 'first');
    await writeFileAtomically(file, 'second');
    assert.equal(await readFile(file, 'utf8'), 'second');
    assert.deepEqual(await readdir(join(temporary.folder, 'state')), ['result.json']);
  });
});
