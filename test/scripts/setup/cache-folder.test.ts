import assert from 'node:assert/strict';
import { tmpdir } from 'node:os';
import { requireSpace } from '../../../scripts/setup/cache-folder.ts';
import { cacheFolder } from '../../../src/config/cache-folder.ts';

describe('cacheFolder', () => {
  it('is the folder that the environment names', () => {
    const environment = { SELF_TAUGHT_EVALUATOR_CACHE: '/big/disk', XDG_CACHE_HOME: '/xdg', HOME: '/home/a' };
    assert.equal(cacheFolder(environment, 'linux'), '/big/disk');
  });

  it('is in the cache folder of the user otherwise', () => {
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

describe('requireSpace', () => {
  it('says how much is needed where, and what to set, when the disk is too full', () => {
    assert.throws(() => requireSpace(tmpdir(), 1e9, 'A planet'), {
      name: 'SetupError',
      message: /^A planet needs 1000000000 GB in .*, and [\d.]+ GB are free\.\n.*SELF_TAUGHT_EVALUATOR_CACHE/,
    });
    requireSpace(tmpdir(), 0, 'Nothing');
  });
});
