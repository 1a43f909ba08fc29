import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeFolders } from '../../src/platform/file-system.ts';

describe('makeFolders', () => {
  it('creates a folder with its parents, and leaves an existing one', async () => {
    const root = await mkdtemp(join(tmpdir(), 'folders-'));
    try {
      const folder = join(root, 'a/b/c');
      await Promise.all([makeFolders(folder), makeFolders(folder), makeFolders(join(root, 'a/b/d'))]);
      await makeFolders(folder);
      assert.deepEqual([existsSync(folder), existsSync(join(root, 'a/b/d'))], [true, true]);
    } finally {
      await rm(root, { recursive: true });
    }
  });

  it('ends where the file system creates no folder and says that there is none', async function () {
    if (!existsSync('/proc/self')) this.skip();
    await assert.rejects(makeFolders('/proc/none/a'), { code: 'ENOENT', path: '/proc/none' });
  });
});
