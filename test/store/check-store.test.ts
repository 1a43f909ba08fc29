import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { mkdir, mkdtemp, readdir, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { checkStore, StoreUnusable } from '../../src/store/check-store.ts';
import { openObjectStore } from '../../src/store/drivers.ts';
import type { ObjectStore } from '../../src/store/objects/object-store.ts';

describe('the trial of a store at the start of a worker', () => {
  /** A store in memory of which some operations are replaced. */
  const storeWith = (replace: (objects: ObjectStore) => Partial<ObjectStore>): ObjectStore => {
    const objects = openObjectStore(`memory:${randomUUID()}`);
    const replaced = replace(objects);
    return new Proxy(objects, {
      get: (_, name: keyof ObjectStore) => {
        const value = replaced[name] ?? objects[name];
        return typeof value === 'function' ? value.bind(objects) : value;
      },
    });
  };
  const problems: readonly [string, RegExp, (objects: ObjectStore) => Partial<ObjectStore>][] = [
    [
      'creates what exists',
      /creating an object succeeds although the object already exists/,
      (objects) => ({
        async putIfAbsent(key, body) {
          await objects.put(key, body);
          return true;
        },
      }),
    ],
    [
      'only looks before it creates, as many object stores mounted as a folder do',
      /several concurrent claims on the same work succeed or none does/,
      (objects) => ({
        async putIfAbsent(key, body) {
          if ((await objects.head(key)) !== undefined) return false;
          await nextTurn();
          await objects.put(key, body);
          return true;
        },
      }),
    ],
    [
      'replaces nothing',
      /a replaced object still has its earlier content/,
      () => ({ put: () => Promise.resolve() }),
    ],
    [
      'replaces whatever version there is',
      /the replacement of an object is not noticed/,
      () => ({ replaceIfVersion: () => Promise.resolve(true) }),
    ],
    [
      "can't sync a folder",
      /EINVAL: invalid argument, fsync/,
      () => ({ putIfAbsent: () => Promise.reject(new Error('EINVAL: invalid argument, fsync')) }),
    ],
    ['deletes nothing', /a deleted object still exists/, () => ({ delete: () => Promise.resolve() })],
  ];
  for (const [what, message, replace] of problems)
    it(`names a store that ${what}`, async () => {
      const store = storeWith(replace);
      await assert.rejects(
        checkStore(() => store),
        (error: unknown) => {
          assert(error instanceof StoreUnusable);
          assert.match(error.message, message);
          assert.match(
            error.message,
            /^The store memory:\S+ can't be used: .*\. Use a store that outlives this process\.$/,
          );
          return true;
        },
      );
    });

  it('deletes what a trial has left that was killed more than an hour ago, and nothing newer', async () => {
    const root = await mkdtemp(join(tmpdir(), 'store-'));
    try {
      const objects = openObjectStore(root);
      await mkdir(join(root, '.preflight/killed'), { recursive: true });
      const old = ['killed/first', 'killed/race-1.tmp-create', `killed/race-2.tmp-${randomUUID()}`];
      for (const name of [...old, 'recent']) await writeFile(join(root, '.preflight', name), '');
      const twoHoursAgo = Date.now() / 1000 - 7200;
      for (const name of old) await utimes(join(root, '.preflight', name), twoHoursAgo, twoHoursAgo);
      await checkStore(() => objects);
      assert.deepEqual(await readdir(join(root, '.preflight')), ['recent']);
      assert.equal((await stat(root)).isDirectory(), true);
    } finally {
      await rm(root, { recursive: true });
    }
  });
});
