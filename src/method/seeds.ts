import { stableHash } from '../platform/stable-hash.ts';

/**
 * The seed of an example's first sample. Sample k uses this seed plus k, independent of how samples are grouped into
 * requests: servers give the k-th of `n` choices the request's seed plus k. The seed is below 2^31 - 2^16, because
 * servers store seeds in 32 bits.
 */
export function samplingSeed(runSeed: number, ...parts: readonly (string | number)[]): number {
  return Number(BigInt(`0x${stableHash(runSeed, ...parts)}`) % BigInt(2 ** 31 - 2 ** 16));
}

/**
 * Shuffles items in an order that depends only on the seed and their ids, never on their order of arrival. All random
 * choices of a run are based on it.
 */
export function shuffledById<T>(
  items: readonly T[],
  seed: number,
  purpose: string,
  id: (item: T) => string,
): T[] {
  return items
    .map((item) => ({ item, key: stableHash(seed, purpose, id(item)) + id(item) }))
    .sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0))
    .map(({ item }) => item);
}
