/** Reads a part of the pool, or of the files of provided pairs, and extrapolates to all rows. */
import type { Generation } from '../config/pair-source.ts';
import type { Decontamination } from '../datasets/benchmark-overlaps.ts';
import { readTaskRows, recordSkipReason } from '../datasets/collect-records.ts';
import { pairSkipReason } from '../datasets/collect-pairs.ts';
import { BenchmarkOverlaps } from '../datasets/decontamination.ts';
import { needsLanguageDetector, rowFilter } from '../datasets/instruction-filters.ts';
import { loadLanguageDetector } from '../datasets/language-detection.ts';
import { readInstructions } from '../datasets/read-instructions.ts';
import { readPreferences, type Preference, type RequestedFormat } from '../datasets/read-preferences.ts';
import type { DataFile } from '../datasets/rows/data-file.ts';
import { countRows } from '../datasets/rows/read-rows.ts';
import { taskExamples, type TaskExample, type TrainedRecord } from '../method/task-examples.ts';
import type { TaskName } from '../method/tasks.ts';
import type { ResponsePair } from '../method/examples.ts';
import { userRequestKey, userRequestTexts, type UserRequest } from '../method/conversation.ts';

interface SampledFiles<Item> {
  /** Of all files. */
  readonly rows: number;
  /** If fewer than `rows`, the number of usable ones is extrapolated. */
  readonly rowsRead: number;
  /** Some of the instructions or pairs, evenly spaced over the rows that were read. */
  readonly sample: readonly Item[];
}

export interface PoolSample extends SampledFiles<UserRequest> {
  readonly kind: 'pool';
  /** Instructions left after filters, exact duplicates and decontamination. Near-duplicates are not removed. */
  readonly instructions: number;
}

export interface PairsSample extends SampledFiles<Preference> {
  readonly kind: 'pairs';
  /** Distinct usable pairs, without contradictory ones and those that overlap with a benchmark. */
  readonly pairs: number;
  /** The number of pairs that are made of each, with a limit. */
  readonly limitedPerPair: number;
}

export interface PairsSampleOptions {
  readonly format: RequestedFormat;
  /** The configuration's field with the format, for messages. */
  readonly formatField: string;
  readonly decontamination: Decontamination;
  /** The maximum number of pairs that the run uses; null: no limit. */
  readonly maxPairs: number | null;
  /** Makes a pair's pairs with a limit, and returns it with them. */
  readonly withLimits?: (pair: ResponsePair) => readonly ResponsePair[];
}

interface BenchmarkItems {
  readonly name: string;
  readonly items: readonly { readonly id: string; readonly instruction: string }[];
}

/** Reading this many rows takes some seconds, however large the files are. */
const MAX_ROWS_READ = 20_000;
/** Instructions or pairs that are given to a tokenizer, or to a model. */
const SAMPLE_SIZE = 64;

/**
 * Reads the beginning of each file of the pool, in proportion to its rows, with the run's own filters.
 * @throws UnreadableFile if a file can't be read
 */
export async function samplePool(
  files: readonly DataFile[],
  { format, filters }: Generation['instructions'],
  benchmarks: readonly BenchmarkItems[],
): Promise<PoolSample> {
  const detector = needsLanguageDetector(filters) ? await loadLanguageDetector() : undefined;
  const skipReason = rowFilter(filters, detector);
  const overlaps = buildOverlapIndex(benchmarks, filters.decontamination);
  const { rows, rowsRead, parts } = await allocateRows(files);
  const kept = new Map<string, UserRequest>();
  for (const { path, end } of parts) {
    for await (const { row, result } of readInstructions(path, format)) {
      if (row >= end) break;
      if ('reason' in result || skipReason(result) !== undefined) continue;
      if (overlaps?.reasonFor(userRequestTexts(result)) === undefined)
        kept.set(userRequestKey(result), result);
    }
  }
  const sample = sampleEvenly([...kept.values()], SAMPLE_SIZE);
  return { kind: 'pool', rows, rowsRead, instructions: extrapolate(kept.size, rows, rowsRead), sample };
}

/**
 * Reads the beginning of each file of pairs, in proportion to its rows, and keeps the pairs that the run itself would use.
 * @throws UnreadableFile if a file can't be read, or its columns fit no format
 */
export async function samplePairs(
  files: readonly DataFile[],
  { format, formatField, decontamination, maxPairs, withLimits = (pair) => [pair] }: PairsSampleOptions,
  benchmarks: readonly BenchmarkItems[],
): Promise<PairsSample> {
  const overlaps = buildOverlapIndex(benchmarks, decontamination);
  const { rows, rowsRead, parts } = await allocateRows(files);
  /** By the pair's id; null if two rows prefer opposite responses. */
  const kept = new Map<string, Preference | null>();
  for (const { end, ...file } of parts) {
    for await (const read of readPreferences([file], format, `name one of them in ${formatField}`)) {
      if (read.origin.row >= end) break;
      if (read.kind !== 'preference' || pairSkipReason(read.preference, overlaps) !== undefined) continue;
      const { preference } = read;
      const earlier = kept.get(preference.id);
      if (earlier === undefined) kept.set(preference.id, preference);
      else if (earlier?.chosen !== preference.chosen) kept.set(preference.id, null);
    }
  }
  const usable = [...kept.values()].filter((preference) => preference !== null);
  const pairs = Math.min(extrapolate(usable.length, rows, rowsRead), maxPairs ?? Infinity);
  const withLimited = usable.reduce(
    (sum, { id, instruction, chosen, rejected }) =>
      sum + withLimits({ id, instruction, better: chosen, worse: rejected }).length,
    0,
  );
  const limitedPerPair = usable.length === 0 ? 0 : withLimited / usable.length - 1;
  return { kind: 'pairs', rows, rowsRead, pairs, limitedPerPair, sample: sampleEvenly(usable, SAMPLE_SIZE) };
}

/** The records of a task beyond pairs, and some of their examples. */
export interface TaskSample {
  readonly task: TaskName;
  /** Distinct usable records. */
  readonly records: number;
  /** The orders in which all of them are judged. */
  readonly examples: number;
  readonly sample: readonly TaskExample[];
}

/**
 * Reads the beginning of each file of records, in proportion to its rows, and keeps the records that the run itself would use.
 * @throws UnreadableFile if a file can't be read
 */
export async function sampleTask(
  task: TaskName,
  files: readonly DataFile[],
  decontamination: Decontamination,
  benchmarks: readonly BenchmarkItems[],
): Promise<TaskSample> {
  const overlaps = buildOverlapIndex(benchmarks, decontamination);
  const { rows, rowsRead, parts } = await allocateRows(files);
  const kept = new Map<string, TrainedRecord>();
  for (const { end, ...file } of parts) {
    let row = 0;
    for await (const { read } of readTaskRows(task, [file])) {
      if (row >= end) break;
      row += 1;
      if (typeof read !== 'string' && recordSkipReason(read, overlaps) === undefined) kept.set(read.id, read);
    }
  }
  const examples = [...kept.values()].flatMap(taskExamples);
  return {
    task,
    records: extrapolate(kept.size, rows, rowsRead),
    examples: extrapolate(examples.length, rows, rowsRead),
    sample: sampleEvenly(examples, SAMPLE_SIZE),
  };
}

/** At most `maxItems` of the items, evenly spaced. */
export function sampleEvenly<T>(items: readonly T[], maxItems: number): T[] {
  const step = Math.max(1, items.length / maxItems);
  const length = Math.min(items.length, maxItems);
  return Array.from({ length }, (_, index) => items[Math.floor(index * step)] as T);
}

/** Divides the rows to read among the files in proportion to their sizes; `end` is the first row not to read. */
async function allocateRows(files: readonly DataFile[]) {
  const rowsOf = await Promise.all(files.map(({ path }) => countRows(path)));
  const rows = rowsOf.reduce((sum, count) => sum + count, 0);
  const share = Math.min(1, MAX_ROWS_READ / Math.max(1, rows));
  const parts = files.map((file, index) => ({ ...file, end: Math.ceil((rowsOf[index] ?? 0) * share) }));
  return { rows, rowsRead: parts.reduce((sum, { end }) => sum + end, 0), parts };
}

function extrapolate(usable: number, rows: number, rowsRead: number): number {
  return rowsRead === 0 ? 0 : Math.round((usable * rows) / rowsRead);
}

/** The benchmark items that the run decontaminates against; null if it doesn't. */
function buildOverlapIndex(
  benchmarks: readonly BenchmarkItems[],
  decontamination: Decontamination,
): BenchmarkOverlaps | null {
  if (decontamination === null) return null;
  const overlaps = new BenchmarkOverlaps(decontamination);
  for (const { name, items } of benchmarks)
    for (const { id, instruction } of items) overlaps.add(name, id, instruction);
  return overlaps;
}
