/**
 * File systems without hard links. exFAT has none, and is mounted here if the system allows it and has the programs for it;
 * elsewhere those tests are skipped and say so. The other tests let `link` fail as such a file system does.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { link, mkdir, mkdtemp, readdir, rm, stat, truncate, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { withLock } from '../../src/platform/file-lock.ts';
import { makeModelFolder } from '../../src/reporting/exports/model-folder.ts';
import { checkStore } from '../../src/store/check-store.ts';
import { tryClaim } from '../../src/store/claims.ts';
import { openFolder } from '../../src/store/drivers/folder.ts';
import { openObjectStore } from '../../src/store/drivers.ts';
import { conformsToObjectStore } from './conformance.ts';

const refusing =
  (code: string): typeof link =>
  () =>
    Promise.reject(Object.assign(new Error(`${code}: link`), { code }));

describe('in a folder without hard links', () => {
  let root: string;
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'store-'));
  });
  afterEach(() => rm(root, { recursive: true }));

  for (const code of ['EPERM', 'ENOTSUP', 'EXDEV'])
    conformsToObjectStore(`folder (${code})`, async () => openFolder(join(root, 'store'), refusing(code)));

  it('a process that is killed between claim and content leaves a guard, which is removed after half a minute', async () => {
    const objects = openFolder(root, refusing('ENOTSUP'));
    await mkdir(join(root, 'owner'));
    const guard = join(root, 'owner/000001.json.tmp-create');
    await writeFile(guard, '');
    const claimed = tryClaim(objects, 'owner', 0, 'next');
    await sleep(300);
    assert.deepEqual(await objects.children('owner'), []);
    const halfAMinuteAgo = Date.now() / 1000 - 31;
    await utimes(guard, halfAMinuteAgo, halfAMinuteAgo);
    assert.equal(await claimed, true);
    assert.deepEqual(await readdir(join(root, 'owner')), ['000001.json']);
  });

  it('an object whose other claimant is about to finish is waited for', async () => {
    const objects = openFolder(root, refusing('ENOTSUP'));
    const guard = join(root, 'state.tmp-create');
    await writeFile(guard, '');
    const created = objects.putIfAbsent('state', 'late');
    await sleep(100);
    await writeFile(join(root, 'state'), 'first');
    assert.equal(await created, false);
  });
});

describe('on exFAT', function () {
  this.timeout(60_000);
  let folder: string;
  let device: string | undefined;
  let root: string;
  let number = 0;

  before(async function () {
    folder = await mkdtemp(join(tmpdir(), 'exfat-'));
    root = join(folder, 'mounted');
    await mkdir(root);
    await writeFile(join(folder, 'image'), '');
    await truncate(join(folder, 'image'), 64e6);
    try {
      const run = (program: string, ...args: string[]) =>
        execFileSync(program, args, { encoding: 'utf8', stdio: 'pipe' }).trim();
      run('mkfs.exfat', join(folder, 'image'));
      device = run('losetup', '-f', '--show', join(folder, 'image'));
      run('mount.exfat-fuse', device, root);
    } catch (error) {
      console.warn(`      skipped: exFAT can't be mounted here (${String(error).split('\n')[0]})`);
      this.skip();
    }
  });
  after(async () => {
    if (device !== undefined) {
      execFileSync('umount', [root], { stdio: 'pipe' });
      execFileSync('losetup', ['-d', device]);
    }
    await rm(folder, { recursive: true, force: true });
  });

  conformsToObjectStore('folder', async () => openObjectStore(join(root, `store-${(number += 1)}`)));

  it('there are no hard links, and a worker starts', async () => {
    await writeFile(join(root, 'a'), '');
    await assert.rejects(link(join(root, 'a'), join(root, 'b')), { code: 'EPERM' });
    await checkStore(() => openObjectStore(join(root, 'tried')));
  });

  it('an object is never missing while others replace it', async () => {
    const objects = openObjectStore(join(root, 'replaced'));
    await objects.put('key', 'x');
    let isOver = false;
    const replace = async (): Promise<void> => {
      while (!isOver) await objects.put('key', 'x', { sync: 'none' });
    };
    const read = async (): Promise<void> => {
      for (let count = 0; count < 1000; count += 1) assert((await objects.get('key')) !== undefined);
    };
    const replacing = [replace(), replace()];
    await Promise.all([read(), read(), read()]).finally(() => (isOver = true));
    await Promise.all(replacing);
  });

  it('a lock is held by one at a time', async () => {
    let holders = 0;
    await Promise.all(
      Array.from({ length: 5 }, () =>
        withLock(join(root, 'lock'), async () => {
          holders += 1;
          await sleep(5);
          assert.equal(holders, 1);
          holders -= 1;
        }),
      ),
    );
  });

  it('the model folder has copies in place of links', async () => {
    await mkdir(join(root, 'model'));
    await writeFile(join(root, 'model/weights'), 'weights');
    await makeModelFolder(join(root, 'outputs'), join(root, 'model'), ['weights'], { 'README.md': 'text' });
    assert.equal((await stat(join(root, 'outputs/weights'))).size, 7);
    assert.deepEqual((await readdir(join(root, 'outputs'))).sort(), ['README.md', 'weights']);
  });
});
