import assert from 'node:assert/strict';
import { tmpdir } from 'node:os';
import { requireDiskSpace } from '../../../src/cli/setup/cache-folder.ts';
import { cacheFolder } from '../../../src/platform/cache-folder.ts';

describe('cacheFolder', () => {
  it('is the folder that the environment variable names', () => {
    const environment = { SELF_TAUGHT_EVALUATOR_CACHE: '/big/disk', XDG_CACHE_HOME: '/xdg', HOME: '/home/a' };
    assert.equal(cacheFolder(environment, 'linux'), '/big/disk');
  });

  it("is in the user's cache folder by default", () => {
    assert.equal(
      cacheFolder({ XDG_CACHE_HOME: '/xdg', HOME: '/home/a' }, 'linux'),
      '/xdg/self-taught-evaluator',
    );
    assert.equal(cacheFolder({ HOME: '/home/a' }, 'linux'), '/home/a/.cache/self-taught-evaluator');
    assert.equal(
      cacheFolder({ HOME: '/Users/a' }, 'darwin'),
      '/Users/a/Library/Caches/self-taught-evaluator',
    );
  });
});

describe('requireDiskSpace', () => {
  it('reports the needed space, the folder and what to set if the disk is too full', () => {
    assert.throws(() => requireDiskSpace(tmpdir(), 1e9, 'A planet'), {
      name: 'SetupError',
      message:
        /^A planet needs 1000000000 GB in [^,]*, but only [\d.]+ GB are free\.\n.*SELF_TAUGHT_EVALUATOR_CACHE/,
    });
    requireDiskSpace(tmpdir(), 0, 'Nothing');
  });
});
