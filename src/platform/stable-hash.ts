import { createHash } from 'node:crypto';

/** A 64-bit hash of the parts as 16 hexadecimal digits. The parts are length-prefixed, so ("a", "bc") differs from ("ab", "c"). */
export function stableHash(...parts: readonly (string | number)[]): string {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(`${String(part).length}:${part};`);
  return hash.digest('hex').slice(0, 16);
}

/** A number from 0 to below 2^48 that depends on the parts only. */
export function stableNumber(...parts: readonly (string | number)[]): number {
  return Number.parseInt(stableHash(...parts).slice(0, 12), 16);
}

/** A number from 0 to below 1 that depends on the parts only. */
export function stableFraction(...parts: readonly (string | number)[]): number {
  return stableNumber(...parts) / 2 ** 48;
}
