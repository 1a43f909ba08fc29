import assert from 'node:assert/strict';
import { missingSampleRanges } from '../../src/method/missing-samples.ts';

describe('the missing samples of an example', () => {
  it('are one request if no sample exists, and none if all do', () => {
    assert.deepEqual(missingSampleRanges(5, new Set()), [{ start: 0, count: 5 }]);
    assert.deepEqual(missingSampleRanges(3, new Set([2, 0, 1])), []);
  });

  it('are one request for each gap', () => {
    assert.deepEqual(missingSampleRanges(8, new Set([0, 3, 4, 7])), [
      { start: 1, count: 2 },
      { start: 5, count: 2 },
    ]);
    assert.deepEqual(missingSampleRanges(4, new Set([1])), [
      { start: 0, count: 1 },
      { start: 2, count: 2 },
    ]);
  });

  it('are at most N, even if more exist', () => {
    assert.deepEqual(missingSampleRanges(2, new Set([1, 5])), [{ start: 0, count: 1 }]);
  });

  it('are searched within one batch', () => {
    assert.deepEqual(missingSampleRanges(6, new Set([3]), 2), [
      { start: 2, count: 1 },
      { start: 4, count: 2 },
    ]);
  });
});
