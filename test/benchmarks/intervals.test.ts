import assert from 'node:assert/strict';
import { wilsonInterval } from '../../src/benchmarks/intervals.ts';

describe('the Wilson interval', () => {
  it('is the score interval of the published examples', () => {
    // The examples of Newcombe 1998, table I, method 3.
    for (const [count, of, low, high] of [
      [81, 263, 0.2553, 0.3662],
      [15, 148, 0.0624, 0.1605],
      [0, 20, 0, 0.1611],
      [1, 29, 0.0061, 0.1718],
    ] as const) {
      const interval = wilsonInterval(count, of);
      assert(
        Math.abs(interval.low - low) <= 5e-5 && Math.abs(interval.high - high) <= 5e-5,
        JSON.stringify(interval),
      );
    }
  });
});
