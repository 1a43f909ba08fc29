/** A look at a part of files of any size, that says about how much is in all of them. */
import type { Decontamination } from '../activities/benchmark-overlaps.ts';
import { countRows } from '../benchmarks/read-rows.ts';
import type { DataFile } from '../config/input-files.ts';
import { BenchmarkOverlaps } from '../pools/decontamination.ts';

/** Rows that are read at most: some seconds, however large the files are. */
const ROWS_READ = 20_000;
/** What is shown to a tokenizer, or to a model. */
export const SAMPLE_SIZE = 64;

export interface SampledRows {
  /** Of all files. */
  readonly rows: number;
  /** Rows that were read; below `rows`, what they come to is extrapolated. */
  readonly rowsRead: number;
}

/**
 * The beginning of each file, in proportion to its rows.
 * @throws UnreadableFileError where a file can't be read
 */
export async function rowsToRead(
  files: readonly DataFile[],
): Promise<SampledRows & { readonly toRead: readonly (DataFile & { readonly end: number })[] }> {
  const rowsOf = await Promise.all(files.map(({ path }) => countRows(path)));
  const rows = sumOf(rowsOf);
  const share = Math.min(1, ROWS_READ / Math.max(1, rows));
  const toRead = files.map((file, index) => ({ ...file, end: Math.ceil((rowsOf[index] ?? 0) * share) }));
  return { rows, rowsRead: sumOf(toRead.map(({ end }) => end)), toRead };
}

function sumOf(numbers: readonly number[]): number {
  return numbers.reduce((sum, each) => sum + each, 0);
}

/** A benchmark as its own reader gives it. */
export interface ReadItems {
  readonly name: string;
  readonly items: readonly { readonly id: string; readonly instruction: string }[];
}

/** What a run compares its instructions with; null: nothing. */
export function overlapsOf(
  benchmarks: readonly ReadItems[],
  decontamination: Decontamination,
): BenchmarkOverlaps | null {
  if (decontamination === null) return null;
  const overlaps = new BenchmarkOverlaps(decontamination);
  for (const { name, items } of benchmarks)
    for (const { id, instruction } of items) overlaps.add(name, id, instruction);
  return overlaps;
}

/** At most `most` of the items, evenly over all of them. */
export function evenly<T>(items: readonly T[], most: number): T[] {
  const step = Math.max(1, items.length / most);
  return Array.from(
    { length: Math.min(items.length, most) },
    (_, index) => items[Math.floor(index * step)] as T,
  );
}
