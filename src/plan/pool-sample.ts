import { countRows } from '../benchmarks/read-rows.ts';
import type { Configuration } from '../config/schema.ts';
import { hashOf } from '../judge/seeds.ts';
import type { PoolFile } from '../pools/collect-instructions.ts';
import { BenchmarkOverlaps } from '../pools/decontamination.ts';
import { loadLanguageDetector } from '../pools/language.ts';
import { readPoolFile } from '../pools/read-pool-file.ts';
import { needsDetector, rowFilter } from '../pools/row-filters.ts';

/** What a look at a part of the pool says about the whole. */
export interface PoolSample {
  readonly rows: number;
  /** Rows that were read; below `rows`, `instructions` is extrapolated from them. */
  readonly rowsRead: number;
  /** Instructions that stay after filters, exact duplicates and decontamination. Near duplicates are not looked for. */
  readonly instructions: number;
  /** Some of the instructions, evenly over what was read. */
  readonly sample: readonly string[];
}

/** Rows that are read at most: some seconds, however large the pool is. */
const ROWS_READ = 20_000;
const SAMPLE_SIZE = 64;

export interface PoolBenchmark {
  readonly name: string;
  readonly items: readonly { readonly id: string; readonly instruction: string }[];
}

/**
 * Looks at the beginning of each file of the pool, in proportion to its rows, with the run's own filters.
 * @throws UnreadableFileError where a file can't be read
 */
export async function samplePool(
  files: readonly PoolFile[],
  { layout, filters }: Configuration['instructions'],
  benchmarks: readonly PoolBenchmark[],
): Promise<PoolSample> {
  const wanted = rowFilter(filters, needsDetector(filters) ? await loadLanguageDetector() : undefined);
  const overlaps = filters.decontamination && new BenchmarkOverlaps(filters.decontamination);
  for (const { name, items } of overlaps === null ? [] : benchmarks)
    for (const { id, instruction } of items) overlaps?.add(name, id, instruction);

  const rowsOf = await Promise.all(files.map(({ path }) => countRows(path)));
  const rows = rowsOf.reduce((sum, each) => sum + each, 0);
  const share = Math.min(1, ROWS_READ / Math.max(1, rows));
  const kept = new Map<string, string>();
  let rowsRead = 0;
  for (const [index, { path }] of files.entries()) {
    let left = Math.ceil((rowsOf[index] ?? 0) * share);
    for await (const { read } of readPoolFile(path, layout)) {
      if (left <= 0) break;
      left -= 1;
      rowsRead += 1;
      if ('reason' in read || wanted(read) !== undefined) continue;
      const { instruction } = read;
      if (overlaps?.find(instruction) === undefined) kept.set(hashOf(instruction), instruction);
    }
  }
  const instructions = rowsRead === 0 ? 0 : Math.round((kept.size * rows) / rowsRead);
  return { rows, rowsRead, instructions, sample: evenly([...kept.values()], SAMPLE_SIZE) };
}

/** At most `most` of the items, evenly over all of them. */
export function evenly<T>(items: readonly T[], most: number): T[] {
  const step = Math.max(1, items.length / most);
  return Array.from(
    { length: Math.min(items.length, most) },
    (_, index) => items[Math.floor(index * step)] as T,
  );
}
