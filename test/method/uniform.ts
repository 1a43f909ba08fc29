import assert from 'node:assert/strict';

/**
 * Asserts that `drawn` holds each of `values` about equally often and nothing else. Five standard deviations: the
 * draws follow from fixed seeds, so that a test passes always or never.
 */
export function assertUniform(drawn: readonly string[], values: readonly string[]): void {
  const counts = Map.groupBy(drawn, (value) => value);
  assert.deepEqual([...counts.keys()].sort(), [...values].sort());
  const expected = drawn.length / values.length;
  const bound = 5 * Math.sqrt(expected * (1 - 1 / values.length));
  for (const [value, { length }] of counts) {
    assert(Math.abs(length - expected) < bound, `${value} was drawn ${length} times of ${drawn.length}`);
  }
}
