import assert from 'node:assert/strict';
import { differingFields } from '../../src/artifacts/errors.ts';

describe('the fields at which two fingerprints differ', () => {
  it('are named by path, with what was and what is', () => {
    const found = { stage: 'judge', sampling: { temperature: 0.7, topP: 1 }, names: ['a', 'b'], old: true };
    const wanted = { stage: 'judge', sampling: { temperature: 1, topP: 1 }, names: ['b', 'a'], fresh: null };
    assert.deepEqual(differingFields(found, wanted), [
      { field: 'fresh', was: 'not set', is: 'null' },
      { field: 'names', was: '["a","b"]', is: '["b","a"]' },
      { field: 'old', was: 'true', is: 'not set' },
      { field: 'sampling.temperature', was: '0.7', is: '1' },
    ]);
  });

  it('are none between a fingerprint and what JSON makes of it, in any order', () => {
    const fingerprint = { b: { d: undefined, c: [1, { y: 1, x: 2 }] }, a: null };
    assert.deepEqual(differingFields({ a: null, b: { c: [1, { x: 2, y: 1 }] } }, fingerprint), []);
  });
});
