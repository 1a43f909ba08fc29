import { shuffledById } from './seeds.ts';
import type { Side } from './verdict.ts';

/**
 * As many examples that answer A as B, by downsampling the larger side (method, step 4), so that the training set does
 * not teach a position. Which ones stay follows from seed and id; the input's order is kept.
 */
export function balanceSides<E extends { readonly id: string; readonly side: Side }>(
  examples: readonly E[],
  seed: number,
): E[] {
  const ofSide = (side: Side) => examples.filter((example) => example.side === side);
  const size = Math.min(ofSide('A').length, ofSide('B').length);
  const chosen = (['A', 'B'] as const).flatMap((side) =>
    shuffledById(ofSide(side), seed, 'balance', (example) => example.id).slice(0, size),
  );
  const kept = new Set(chosen.map((example) => example.id));
  return examples.filter((example) => kept.has(example.id));
}
