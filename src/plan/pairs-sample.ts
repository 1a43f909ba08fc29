import type { Decontamination } from '../activities/benchmark-overlaps.ts';
import type { DataFile } from '../config/input-files.ts';
import { unusable } from '../preferences/collect-pairs.ts';
import { readPreferences, type Preference, type WantedLayout } from '../preferences/read-preferences.ts';
import {
  evenly,
  overlapsOf,
  rowsToRead,
  SAMPLE_SIZE,
  type ReadItems,
  type SampledRows,
} from './sampled-rows.ts';

/** What a look at a part of files of pairs says about the whole. */
export interface PairsSample extends SampledRows {
  readonly kind: 'pairs';
  /** Pairs that can be used, each once, without those that a benchmark has and those that contradict each other. */
  readonly pairs: number;
  /** Some of the pairs, evenly over what was read. */
  readonly sample: readonly Preference[];
}

/** What says how files of pairs are read. */
export interface PairsToRead {
  readonly layout: WantedLayout;
  /** Where the configuration names the layout, for messages. */
  readonly layoutField: string;
  readonly decontamination: Decontamination;
  /** At most so many are chosen; null: all. */
  readonly maximum: number | null;
}

/**
 * Looks at the beginning of each file, in proportion to its rows, and takes what the run itself would take.
 * @throws UnreadableFileError where a file can't be read, or its columns fit no layout
 */
export async function samplePairs(
  files: readonly DataFile[],
  { layout, layoutField, decontamination, maximum }: PairsToRead,
  benchmarks: readonly ReadItems[],
): Promise<PairsSample> {
  const overlaps = overlapsOf(benchmarks, decontamination);
  const { rows, rowsRead, toRead } = await rowsToRead(files);
  /** By id; null: preferred one way here, and the other way there. */
  const kept = new Map<string, Preference | null>();
  for (const { end, ...file } of toRead) {
    for await (const read of readPreferences([file], layout, `name one of them in ${layoutField}`)) {
      if (read.origin.row >= end) break;
      if (read.kind !== 'preference' || unusable(read.preference, overlaps) !== undefined) continue;
      const { preference } = read;
      const earlier = kept.get(preference.id);
      if (earlier === undefined) kept.set(preference.id, preference);
      else if (earlier?.chosen !== preference.chosen) kept.set(preference.id, null);
    }
  }
  const usable = [...kept.values()].filter((preference) => preference !== null);
  const all = rowsRead === 0 ? 0 : Math.round((usable.length * rows) / rowsRead);
  return {
    kind: 'pairs',
    rows,
    rowsRead,
    pairs: Math.min(all, maximum ?? all),
    sample: evenly(usable, SAMPLE_SIZE),
  };
}
