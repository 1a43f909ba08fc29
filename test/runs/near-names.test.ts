import assert from 'node:assert/strict';
import { nearNames } from '../../src/runs/near-names.ts';

describe('nearNames', () => {
  const names = ['embedded', 'embedded-2', 'smollm2-135m', 'judge-8b'];

  it('finds a name behind a typing mistake, the nearest first', () => {
    assert.deepEqual(nearNames('embeded', names), ['embedded']);
    assert.deepEqual(nearNames('jugde-8b', names), ['judge-8b']);
  });

  it('finds names that contain what was written, in any case', () => {
    assert.deepEqual(nearNames('Embedded', names), ['embedded', 'embedded-2']);
    assert.deepEqual(nearNames('smollm2', names), ['smollm2-135m']);
  });

  it('finds nothing where nothing is near', () => {
    assert.deepEqual(nearNames('quarterly', names), []);
  });
});
