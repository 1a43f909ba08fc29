import assert from 'node:assert/strict';
import { suggestNames } from '../../src/platform/name-suggestions.ts';

describe('suggestNames', () => {
  const names = ['embedded', 'embedded-2', 'smollm2-135m', 'judge-8b'];

  it('finds a name behind a typing mistake, the nearest first', () => {
    assert.deepEqual(suggestNames('embeded', names), ['embedded']);
    assert.deepEqual(suggestNames('jugde-8b', names), ['judge-8b']);
  });

  it('finds names that contain what was written, in any case', () => {
    assert.deepEqual(suggestNames('Embedded', names), ['embedded', 'embedded-2']);
    assert.deepEqual(suggestNames('smollm2', names), ['smollm2-135m']);
  });

  it('finds nothing where nothing is near', () => {
    assert.deepEqual(suggestNames('quarterly', names), []);
  });
});
