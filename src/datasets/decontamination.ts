import type { SkippedRecord } from '../store/shard-types.ts';
import { wordHashes, normalizedWords } from './word-hashes.ts';

/** An overlap of an instruction with a benchmark. */
export interface Overlap {
  readonly benchmark: string;
  /** The id of the benchmark's row. */
  readonly row: string;
  /** The consecutive words that both contain. */
  readonly words: string;
}

interface BenchmarkRow {
  readonly benchmark: string;
  readonly row: string;
}

/**
 * Finds instructions that a benchmark contains too, so that no judge is trained on the instructions it is tested with.
 * Two instructions overlap if they share `ngramSize` consecutive words (13 as for GPT-3, arXiv 2005.14165, appendix C).
 * A shorter benchmark instruction must occur as a whole in the other one; one of fewer than `minWords` words must be
 * equal to it, because so few words can match by chance. Case and punctuation are ignored.
 *
 * Stores hashes, not texts: about 50 bytes for each n-gram of the benchmarks.
 */
export class BenchmarkOverlaps {
  readonly #ngramSize: number;
  readonly #minWords: number;
  readonly #rows: BenchmarkRow[] = [];
  /** By number of words, then by the n-gram's hash: the first row that contains the n-gram. */
  readonly #parts = new Map<number, Map<number, number>>();
  readonly #wholes = new Map<number, Map<number, number>>();

  constructor({ ngramSize, minWords }: { readonly ngramSize: number; readonly minWords: number }) {
    this.#ngramSize = ngramSize;
    this.#minWords = minWords;
  }

  add(benchmark: string, row: string, instruction: string): void {
    const hashes = wordHashes(normalizedWords(instruction));
    if (hashes.length === 0) return;
    const number = this.#rows.push({ benchmark, row }) - 1;
    const size = Math.min(this.#ngramSize, hashes.length);
    const group = size < this.#minWords ? this.#wholes : this.#parts;
    const byHash = group.get(size) ?? new Map<number, number>();
    group.set(size, byHash);
    for (const hash of ngramHashes(hashes, size)) if (!byHash.has(hash)) byHash.set(hash, number);
  }

  /** The first overlap of an instruction with a benchmark; undefined if there is none. */
  find(instruction: string): Overlap | undefined {
    const words = normalizedWords(instruction);
    const hashes = wordHashes(words);
    for (const [size, byHash] of this.#parts) {
      const found = this.#findIn(byHash, words, hashes, size);
      if (found !== undefined) return found;
    }
    const complete = this.#wholes.get(words.length);
    return complete && this.#findIn(complete, words, hashes, words.length);
  }

  /** The skip reason for an instruction if any of these texts of it overlaps with a benchmark; undefined otherwise. */
  reasonFor(texts: readonly string[]): Omit<SkippedRecord, 'id'> | undefined {
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

/** 53-bit hashes of all n-grams of `size` words, in order. */
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
