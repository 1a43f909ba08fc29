import { createHash } from 'node:crypto';

/** A 64-bit hash of the parts as 16 hexadecimal digits. The parts are length-prefixed, so ("a", "bc") differs from ("ab", "c"). */
export function hashOf(...parts: readonly (string | number)[]): string {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(`${String(part).length}:${part};`);
  return hash.digest('hex').slice(0, 16);
}

/**
 * The sampling seed of an example's first sample; sample k uses this plus k, however requests are grouped (a server
 * gives the k-th of `n` choices the request's seed plus k). Below 2^31 - 2^16, as servers keep seeds in 32 bits.
 */
export function samplingSeed(runSeed: number, ...parts: readonly (string | number)[]): number {
  return Number(BigInt(`0x${hashOf(runSeed, ...parts)}`) % BigInt(2 ** 31 - 2 ** 16));
}

/**
 * The items in an order that looks random but follows from seed and id alone, never from the order of arrival: the
 * basis of every random choice in a run.
 */
export function shuffledById<T>(
  items: readonly T[],
  seed: number,
  purpose: string,
  id: (item: T) => string,
): T[] {
  return items
    .map((item) => ({ item, key: hashOf(seed, purpose, id(item)) + id(item) }))
    .sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0))
    .map(({ item }) => item);
}
