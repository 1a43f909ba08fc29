import assert from 'node:assert/strict';
import { missingRuns } from '../../src/activities/missing-samples.ts';

describe('the samples that are still to be asked for', () => {
  it('are one request when none is there, and none when all are', () => {
    assert.deepEqual(missingRuns(5, new Set()), [{ start: 0, count: 5 }]);
    assert.deepEqual(missingRuns(3, new Set([2, 0, 1])), []);
  });

  it('are one request for each gap', () => {
    assert.deepEqual(missingRuns(8, new Set([0, 3, 4, 7])), [
      { start: 1, count: 2 },
      { start: 5, count: 2 },
    ]);
    assert.deepEqual(missingRuns(4, new Set([1])), [
      { start: 0, count: 1 },
      { start: 2, count: 2 },
    ]);
  });

  it('are no more than N, also where more are there', () => {
    assert.deepEqual(missingRuns(2, new Set([1, 5])), [{ start: 0, count: 1 }]);
  });

  it('are looked for within one wave', () => {
    assert.deepEqual(missingRuns(6, new Set([3]), 2), [
      { start: 2, count: 1 },
      { start: 4, count: 2 },
    ]);
  });
});
