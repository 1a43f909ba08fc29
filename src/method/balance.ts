import { shuffledById } from './seeds.ts';
import type { Side } from './verdict.ts';

/**
 * Downsamples the larger side, so that as many examples answer A as B and the training set does not teach a position
 * (method, step 4). Which examples remain depends only on the seed and their ids; the input's order is kept.
 */
export function balanceSides<E extends { readonly id: string; readonly side: Side }>(
  examples: readonly E[],
  seed: number,
): E[] {
  const ofSide = (side: Side) => examples.filter((example) => example.side === side);
  const size = Math.min(ofSide('A').length, ofSide('B').length);
  const selected = (['A', 'B'] as const).flatMap((side) =>
    shuffledById(ofSide(side), seed, 'balance', (example) => example.id).slice(0, size),
  );
  const kept = new Set(selected.map((example) => example.id));
  return examples.filter((example) => kept.has(example.id));
}
