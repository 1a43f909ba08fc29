import type { DataFile } from '../config/input-files.ts';
import type { Generation } from '../config/pair-source.ts';
import { keyOf, textsAsked, type Asked } from '../judge/conversation.ts';
import { loadLanguageDetector } from '../pools/language.ts';
import { readPoolFile } from '../pools/read-pool-file.ts';
import { needsDetector, rowFilter } from '../pools/row-filters.ts';
import {
  evenly,
  overlapsOf,
  rowsToRead,
  SAMPLE_SIZE,
  type SampledRows,
  type ReadItems,
} from './sampled-rows.ts';

/** What a look at a part of the pool says about the whole. */
export interface PoolSample extends SampledRows {
  readonly kind: 'pool';
  /** Instructions that stay after filters, exact duplicates and decontamination. Near duplicates are not looked for. */
  readonly instructions: number;
  /** Some of the instructions, evenly over what was read. */
  readonly sample: readonly Asked[];
}

/**
 * Looks at the beginning of each file of the pool, in proportion to its rows, with the run's own filters.
 * @throws UnreadableFileError where a file can't be read
 */
export async function samplePool(
  files: readonly DataFile[],
  { layout, filters }: Generation['instructions'],
  benchmarks: readonly ReadItems[],
): Promise<PoolSample> {
  const wanted = rowFilter(filters, needsDetector(filters) ? await loadLanguageDetector() : undefined);
  const overlaps = overlapsOf(benchmarks, filters.decontamination);
  const { rows, rowsRead, toRead } = await rowsToRead(files);
  const kept = new Map<string, Asked>();
  for (const { path, end } of toRead) {
    for await (const { row, read } of readPoolFile(path, layout)) {
      if (row >= end) break;
      if ('reason' in read || wanted(read) !== undefined) continue;
      if (overlaps?.reasonFor(textsAsked(read)) === undefined) kept.set(keyOf(read), read);
    }
  }
  const instructions = rowsRead === 0 ? 0 : Math.round((kept.size * rows) / rowsRead);
  return { kind: 'pool', rows, rowsRead, instructions, sample: evenly([...kept.values()], SAMPLE_SIZE) };
}
