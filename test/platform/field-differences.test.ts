import assert from 'node:assert/strict';
import { fieldDifferences } from '../../src/platform/field-differences.ts';

describe('the fields at which two fingerprints differ', () => {
  it('are named by path, with what was and what is', () => {
    const found = { stage: 'judge', sampling: { temperature: 0.7, topP: 1 }, names: ['a', 'b'], old: true };
    const wanted = { stage: 'judge', sampling: { temperature: 1, topP: 1 }, names: ['b', 'a'], fresh: null };
    assert.deepEqual(fieldDifferences(found, wanted), [
      { field: 'fresh', before: 'not set', after: 'null' },
      { field: 'names', before: '["a","b"]', after: '["b","a"]' },
      { field: 'old', before: 'true', after: 'not set' },
      { field: 'sampling.temperature', before: '0.7', after: '1' },
    ]);
  });

  it('are none between a fingerprint and what JSON makes of it, in any order', () => {
    const fingerprint = { b: { d: undefined, c: [1, { y: 1, x: 2 }] }, a: null };
    assert.deepEqual(fieldDifferences({ a: null, b: { c: [1, { x: 2, y: 1 }] } }, fingerprint), []);
  });
});
