import { stableHash } from '../platform/stable-hash.ts';
import { mixBits, wordHashes, normalizedWords } from './word-hashes.ts';

const HASHES = 128;
/** Maximum number of comparisons in one band. A band with more equal entries doesn't separate texts well. */
const MAX_COMPARISONS = 64;

/** An earlier instruction of which another is a near duplicate. */
export interface NearDuplicate {
  readonly id: string;
  /** Estimated Jaccard similarity of the sets of word n-grams. */
  readonly similarity: number;
}

/**
 * Finds near duplicates of earlier instructions. Compares the MinHash signatures (Broder 1997) of their word n-grams if
 * a band of the signatures is equal (locality-sensitive hashing). An instruction is compared only with kept ones, so a
 * chain of small changes is not dropped completely. Which instructions are kept depends on their order and the seed.
 *
 * Stores the id, the signature and the band entries of each kept instruction: less than 0.5 kB at a threshold of 0.8.
 */
export class NearDuplicateIndex {
  readonly #threshold: number;
  readonly #ngramSize: number;
  readonly #multipliers = new Uint32Array(HASHES);
  readonly #increments = new Uint32Array(HASHES);
  /** 16 bits of each minimum, mixed, are enough for the comparison (b-bit minwise hashing, Li and König 2010). */
  readonly #signatures: Uint16Array;
  readonly #ids: string[] = [];
  readonly #bandWidth: number;
  readonly #bands: readonly Uint32Array[];
  readonly #mask: number;
  readonly #minima = new Uint32Array(HASHES);

  /** @param options.capacity maximum number of instructions */
  constructor(options: {
    readonly threshold: number;
    readonly ngramSize: number;
    readonly seed: number;
    readonly capacity: number;
  }) {
    this.#threshold = options.threshold;
    this.#ngramSize = options.ngramSize;
    for (let index = 0; index < HASHES; index += 1) {
      const bits = BigInt(`0x${stableHash(options.seed, 'near-duplicates', index)}`);
      this.#multipliers[index] = Number(bits & 0xffffffffn) | 1;
      this.#increments[index] = Number(bits >> 32n);
    }
    this.#signatures = new Uint16Array(options.capacity * HASHES);
    this.#bandWidth = bandWidth(options.threshold);
    const slots = 2 ** Math.ceil(Math.log2(Math.max(2, options.capacity * 1.5)));
    this.#mask = slots - 1;
    this.#bands = Array.from({ length: HASHES / this.#bandWidth }, () => new Uint32Array(slots));
  }

  /** Returns the kept instruction of which this one is a near duplicate. If there is none, keeps this one. */
  addUnlessDuplicate(id: string, instruction: string): NearDuplicate | undefined {
    const number = this.#ids.length;
    this.#sign(instruction, number);
    const slots: number[] = [];
    for (const band of this.#bands.keys()) {
      const found = this.#lookUp(band, number);
      if (typeof found !== 'number') return found;
      slots.push(found);
    }
    for (const [band, slot] of slots.entries())
      if (slot >= 0) (this.#bands[band] as Uint32Array)[slot] = number + 1;
    this.#ids.push(id);
    return undefined;
  }

  /** Looks up a signature in a band: returns a near duplicate, or the free slot for the signature, or -1 if the band is full. */
  #lookUp(band: number, number: number): number | NearDuplicate {
    const table = this.#bands[band] as Uint32Array;
    const from = band * this.#bandWidth;
    let slot = this.#bandHash(number, from) & this.#mask;
    for (let compared = 0; compared < MAX_COMPARISONS; slot = (slot + 1) & this.#mask) {
      const other = (table[slot] as number) - 1;
      if (other < 0) return slot;
      if (this.#equalFrom(number, other, from, this.#bandWidth) < this.#bandWidth) continue;
      compared += 1;
      const similarity = this.#equalFrom(number, other, 0, HASHES) / HASHES;
      if (similarity >= this.#threshold) return { id: this.#ids[other] as string, similarity };
    }
    return -1;
  }

  #sign(instruction: string, number: number): void {
    const minima = this.#minima.fill(0xffffffff);
    const words = wordHashes(normalizedWords(instruction));
    const size = Math.min(this.#ngramSize, words.length);
    // A text without words is only similar to itself.
    if (size === 0) this.#updateMinima(Number(BigInt(`0x${stableHash(instruction)}`) & 0xffffffffn));
    for (let start = 0; size > 0 && start + size <= words.length; start += 1) {
      let hash = 0;
      for (let at = start; at < start + size; at += 1)
        hash = mixBits(Math.imul(hash, 31) + (words[at] as number));
      this.#updateMinima(hash);
    }
    // The low bits of a minimum depend on the low bits of its n-gram's hash alone, in all of the signature: unmixed, texts of
    // one n-gram with the same low bits would be equal.
    for (let index = 0; index < HASHES; index += 1)
      this.#signatures[number * HASHES + index] = mixBits(minima[index] as number) & 0xffff;
  }

  #updateMinima(ngramSize: number): void {
    const [minima, multipliers, increments] = [this.#minima, this.#multipliers, this.#increments];
    for (let index = 0; index < HASHES; index += 1) {
      const value =
        (Math.imul(ngramSize, multipliers[index] as number) + (increments[index] as number)) >>> 0;
      if (value < (minima[index] as number)) minima[index] = value;
    }
  }

  #bandHash(number: number, from: number): number {
    let hash = from;
    const start = number * HASHES + from;
    for (let at = start; at < start + this.#bandWidth; at += 1)
      hash = mixBits(Math.imul(hash, 31) + (this.#signatures[at] as number));
    return hash;
  }

  /** The number of equal hashes in both signatures, among `count` of them from index `from` on. */
  #equalFrom(first: number, second: number, from: number, count: number): number {
    let equal = 0;
    const a = first * HASHES + from;
    const b = second * HASHES + from;
    for (let at = 0; at < count; at += 1)
      if (this.#signatures[a + at] === this.#signatures[b + at]) equal += 1;
    return equal;
  }
}

/**
 * Number of hashes in a band. Wider bands need fewer comparisons. Two texts of similarity s are equal in at least one of
 * b bands of r hashes with probability 1 - (1 - s^r)^b. With the chosen widths this is 95% or more for texts whose
 * similarity is 0.05 above the threshold, and 99% or more if the threshold is at least 0.6.
 */
function bandWidth(threshold: number): number {
  const widest = [16, 8, 4, 2].find((width) => (width / HASHES) ** (1 / width) <= threshold - 0.05);
  return widest ?? 1;
}
