import type { Order } from '../method/examples.ts';
import type { PairResult } from './judged-pairs.ts';
import { drawIndex } from './votes.ts';

const drawn = new WeakMap<PairResult, Map<string, Order>>();

/**
 * The random order of a pair in a published script, which depends only on the benchmark, the seed and the pair's id. It is
 * kept, because a bootstrap asks for it hundreds of times.
 */
export function drawnOrder(result: PairResult, seed: number, benchmark: string): Order {
  const ofResult = drawn.get(result) ?? new Map<string, Order>();
  drawn.set(result, ofResult);
  const key = `${benchmark}/${seed}`;
  const order =
    ofResult.get(key) ??
    (drawIndex(2, seed, `${benchmark}-order`, result.pair.id) === 0 ? 'better-first' : 'worse-first');
  ofResult.set(key, order);
  return order;
}
