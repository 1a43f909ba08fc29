import type { SetAside } from '../artifacts/resume-shard.ts';
import { wordHashes, wordsOf } from './words.ts';

/** Where an instruction overlaps with a benchmark. */
export interface Overlap {
  readonly benchmark: string;
  /** The id of the benchmark's row. */
  readonly row: string;
  /** Words in a row that both have. */
  readonly words: string;
}

interface BenchmarkRow {
  readonly benchmark: string;
  readonly row: string;
}

/**
 * Finds the instructions that a benchmark has too, so that no judge is trained on what it is tested with: those that
 * share `words` words in a row (13 as for GPT-3, arXiv 2005.14165, appendix C). A benchmark's instruction of fewer
 * words overlaps where it stands whole in the other one; below `fewestWords` words it must be the whole of it, because
 * so few words in a row are chance. Case and punctuation don't count.
 *
 * Holds hashes, not texts: about 50 bytes for each n-gram of the benchmarks.
 */
export class BenchmarkOverlaps {
  readonly #words: number;
  readonly #fewestWords: number;
  readonly #rows: BenchmarkRow[] = [];
  /** By number of words, then by the n-gram's hash, the first row that has it. */
  readonly #parts = new Map<number, Map<number, number>>();
  readonly #wholes = new Map<number, Map<number, number>>();

  constructor({ words, fewestWords }: { readonly words: number; readonly fewestWords: number }) {
    this.#words = words;
    this.#fewestWords = fewestWords;
  }

  add(benchmark: string, row: string, instruction: string): void {
    const hashes = wordHashes(wordsOf(instruction));
    if (hashes.length === 0) return;
    const number = this.#rows.push({ benchmark, row }) - 1;
    const size = Math.min(this.#words, hashes.length);
    const group = size < this.#fewestWords ? this.#wholes : this.#parts;
    const byHash = group.get(size) ?? new Map<number, number>();
    group.set(size, byHash);
    for (const hash of ngramHashes(hashes, size)) if (!byHash.has(hash)) byHash.set(hash, number);
  }

  /** The first overlap of an instruction with a benchmark; undefined where it has none. */
  find(instruction: string): Overlap | undefined {
    const words = wordsOf(instruction);
    const hashes = wordHashes(words);
    for (const [size, byHash] of this.#parts) {
      const found = this.#findIn(byHash, words, hashes, size);
      if (found !== undefined) return found;
    }
    const whole = this.#wholes.get(words.length);
    return whole && this.#findIn(whole, words, hashes, words.length);
  }

  /** Why something is left out that asks in any of these texts what a benchmark asks; undefined where none does. */
  reasonFor(texts: readonly string[]): Omit<SetAside, 'id'> | undefined {
    for (const text of texts) {
      const overlap = this.find(text);
      if (overlap === undefined) continue;
      const { benchmark, row, words } = overlap;
      const detail = `row ${row}: ${words}`;
      return { kind: 'dropped', reason: `overlaps with benchmark ${benchmark}`, detail };
    }
    return undefined;
  }

  #findIn(
    byHash: ReadonlyMap<number, number>,
    words: readonly string[],
    hashes: Uint32Array,
    size: number,
  ): Overlap | undefined {
    let start = 0;
    for (const hash of ngramHashes(hashes, size)) {
      const found = byHash.get(hash);
      if (found !== undefined)
        return { ...(this.#rows[found] as BenchmarkRow), words: words.slice(start, start + size).join(' ') };
      start += 1;
    }
    return undefined;
  }
}

/** A 53-bit hash of every `size` words in a row, in order. */
function* ngramHashes(hashes: Uint32Array, size: number): Generator<number> {
  for (let start = 0; start + size <= hashes.length; start += 1) {
    let high = 0x9e3779b1;
    let low = 0x85ebca77;
    for (let at = start; at < start + size; at += 1) {
      const word = hashes[at] as number;
      high = Math.imul(high ^ word, 0x01000193);
      low = Math.imul(low + word, 0xc2b2ae3d) ^ (low >>> 15);
    }
    yield (high >>> 11) * 2 ** 32 + (low >>> 0);
  }
}
