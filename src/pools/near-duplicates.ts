import { hashOf } from '../judge/seeds.ts';
import { mix, wordHashes, wordsOf } from './words.ts';

const HASHES = 128;
/** Rows of one band that are compared; beyond them a band tells apart too little to be worth more. */
const MOST_COMPARED = 64;

/** An earlier instruction that is nearly the same. */
export interface NearDuplicate {
  readonly id: string;
  /** The estimated share of word n-grams that both have, among those that either has (Jaccard). */
  readonly similarity: number;
}

/**
 * Finds instructions that are nearly the same as an earlier one, by MinHash signatures (Broder 1997) of their word
 * n-grams, compared where a band of the signature is equal (locality-sensitive hashing). An instruction is compared
 * with those that were kept, so a chain of small changes doesn't end in nothing; which ones are kept follows from the
 * order in which they come and the seed.
 *
 * Holds of each kept instruction its id and signature, and its places in the bands: less than 0.5 kB at a threshold of 0.8.
 */
export class NearDuplicates {
  readonly #threshold: number;
  readonly #ngram: number;
  readonly #multipliers = new Uint32Array(HASHES);
  readonly #increments = new Uint32Array(HASHES);
  /** 16 bits of each minimum are enough to compare by (b-bit minwise hashing, Li and König 2010). */
  readonly #signatures: Uint16Array;
  readonly #ids: string[] = [];
  readonly #bandWidth: number;
  readonly #bands: readonly Uint32Array[];
  readonly #mask: number;
  readonly #minima = new Uint32Array(HASHES);

  /** @param options.capacity how many instructions there will be at most */
  constructor(options: {
    readonly threshold: number;
    readonly ngram: number;
    readonly seed: number;
    readonly capacity: number;
  }) {
    this.#threshold = options.threshold;
    this.#ngram = options.ngram;
    for (let index = 0; index < HASHES; index += 1) {
      const bits = BigInt(`0x${hashOf(options.seed, 'near-duplicates', index)}`);
      this.#multipliers[index] = Number(bits & 0xffffffffn) | 1;
      this.#increments[index] = Number(bits >> 32n);
    }
    this.#signatures = new Uint16Array(options.capacity * HASHES);
    this.#bandWidth = bandWidth(options.threshold);
    const places = 2 ** Math.ceil(Math.log2(Math.max(2, options.capacity * 1.5)));
    this.#mask = places - 1;
    this.#bands = Array.from({ length: HASHES / this.#bandWidth }, () => new Uint32Array(places));
  }

  /** The kept instruction that this one nearly repeats; where there is none, this one is kept. */
  addUnlessNear(id: string, instruction: string): NearDuplicate | undefined {
    const number = this.#ids.length;
    this.#sign(instruction, number);
    const places: number[] = [];
    for (const band of this.#bands.keys()) {
      const found = this.#lookUp(band, number);
      if (typeof found !== 'number') return found;
      places.push(found);
    }
    for (const [band, place] of places.entries())
      if (place >= 0) (this.#bands[band] as Uint32Array)[place] = number + 1;
    this.#ids.push(id);
    return undefined;
  }

  /** Where to enter a signature in a band: a free place, or -1 in a full one; or what it nearly repeats. */
  #lookUp(band: number, number: number): number | NearDuplicate {
    const table = this.#bands[band] as Uint32Array;
    const from = band * this.#bandWidth;
    let place = this.#bandHash(number, from) & this.#mask;
    for (let compared = 0; compared < MOST_COMPARED; place = (place + 1) & this.#mask) {
      const other = (table[place] as number) - 1;
      if (other < 0) return place;
      if (this.#equalFrom(number, other, from, this.#bandWidth) < this.#bandWidth) continue;
      compared += 1;
      const similarity = this.#equalFrom(number, other, 0, HASHES) / HASHES;
      if (similarity >= this.#threshold) return { id: this.#ids[other] as string, similarity };
    }
    return -1;
  }

  #sign(instruction: string, number: number): void {
    const minima = this.#minima.fill(0xffffffff);
    const words = wordHashes(wordsOf(instruction));
    const size = Math.min(this.#ngram, words.length);
    // What has no word is like nothing but itself.
    if (size === 0) this.#take(Number(BigInt(`0x${hashOf(instruction)}`) & 0xffffffffn));
    for (let start = 0; size > 0 && start + size <= words.length; start += 1) {
      let hash = 0;
      for (let at = start; at < start + size; at += 1)
        hash = mix(Math.imul(hash, 31) + (words[at] as number));
      this.#take(hash);
    }
    for (let index = 0; index < HASHES; index += 1)
      this.#signatures[number * HASHES + index] = (minima[index] as number) & 0xffff;
  }

  #take(ngram: number): void {
    const [minima, multipliers, increments] = [this.#minima, this.#multipliers, this.#increments];
    for (let index = 0; index < HASHES; index += 1) {
      const value = (Math.imul(ngram, multipliers[index] as number) + (increments[index] as number)) >>> 0;
      if (value < (minima[index] as number)) minima[index] = value;
    }
  }

  #bandHash(number: number, from: number): number {
    let hash = from;
    const start = number * HASHES + from;
    for (let at = start; at < start + this.#bandWidth; at += 1)
      hash = mix(Math.imul(hash, 31) + (this.#signatures[at] as number));
    return hash;
  }

  /** How many of `count` hashes from `from` on are the same in both signatures. */
  #equalFrom(one: number, other: number, from: number, count: number): number {
    let equal = 0;
    const a = one * HASHES + from;
    const b = other * HASHES + from;
    for (let at = 0; at < count; at += 1)
      if (this.#signatures[a + at] === this.#signatures[b + at]) equal += 1;
    return equal;
  }
}

/**
 * Hashes in a band. Wider bands compare fewer pairs; texts of similarity s meet in one of b bands of r hashes with
 * 1 - (1 - s^r)^b: with the widths that this chooses 95% or more of those a twentieth above the threshold, and 99% from
 * a threshold of 0.6 on.
 */
function bandWidth(threshold: number): number {
  const found = [16, 8, 4, 2].find((width) => (width / HASHES) ** (1 / width) <= threshold - 0.05);
  return found ?? 1;
}
