import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { packageRoot } from '../../src/platform/package-root.ts';

describe('the options with which a program stops when its parent is gone', () => {
  it('are understood by Node from a folder of any name', async () => {
    const folder = await mkdtemp(join(tmpdir(), `it's 100% #1 [x]? {a} é\n`));
    try {
      const platform = join(folder, 'src', 'platform');
      for (const file of ['package-root.ts', 'stop-with-parent.mjs'])
        await cp(join(packageRoot, 'src', 'platform', file), join(platform, file));
      const { STOP_WITH_PARENT } = (await import(pathToFileURL(join(platform, 'package-root.ts')).href)) as {
        STOP_WITH_PARENT: string[];
      };
      const { status, stdout, stderr } = spawnSync(
        process.execPath,
        [...STOP_WITH_PARENT, '--eval', 'console.log("runs"); process.exit()'],
        { encoding: 'utf8' },
      );
      assert.equal(status, 0, stderr);
      assert.equal(stdout.trim(), 'runs');
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
