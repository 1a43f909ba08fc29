import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { SkippedRecord } from '../store/shard-types.ts';
import type { DataFile } from './rows/data-file.ts';
import { userRequestTexts } from '../method/conversation.ts';
import type { ResponsePair } from '../method/examples.ts';
import { pairProblem } from '../method/pair-problem.ts';
import { yieldToEventLoop, ROWS_PER_YIELD, type ProgressMonitor } from './yield-to-event-loop.ts';
import type { BenchmarkOverlaps } from './decontamination.ts';
import {
  DiskBuckets,
  BUCKET_NAMES,
  lineId,
  parseLine,
  SkippedLog,
  type Line,
  type SkipReasonCount,
} from './disk-buckets.ts';
import { selectBySeed } from './select-by-seed.ts';
import {
  readPreferences,
  type Preference,
  type RowOrigin,
  type RequestedFormat,
} from './read-preferences.ts';

export interface CollectPairsOptions extends ProgressMonitor {
  readonly files: readonly DataFile[];
  readonly format: RequestedFormat;
  /** The configuration's field of the format, for messages. */
  readonly formatField: string;
  /** Null: no comparison with the benchmarks. */
  readonly overlaps: BenchmarkOverlaps | null;
  /** Maximum number of pairs, selected by the seed; null: all. */
  readonly maximum: number | null;
  readonly seed: number;
  /** A folder for temporary files, which need about as much space as the files' texts. Nothing else is in it. */
  readonly scratch: string;
  /** Called after all rows are read; throws if too many of them are damaged. */
  readonly checkFailed: (failed: number, rows: number, reasons: readonly SkipReasonCount[]) => void;
}

/** The result of reading labelled pairs: the kept pairs and the skipped rows, both streamed from the scratch folder. */
export interface CollectedPairs {
  /** All preferences of the files, usable or not. */
  readonly rows: number;
  readonly pairs: number;
  /** Usable pairs that exceed `maximum`. */
  readonly notSelected: number;
  readonly reasons: readonly SkipReasonCount[];
  readonly skippedCount: number;
  /** Sorted by id. */
  kept(): AsyncGenerator<LabeledPair>;
  skipped(): AsyncGenerator<SkippedRecord>;
}

/** A pair whose better response is known from its file, not by construction. */
export type LabeledPair = Omit<ResponsePair, 'source'>;

type Entry = LabeledPair & { readonly at: RowOrigin };

/**
 * Reads any number of labelled pairs. Each is checked by itself, then they are sorted by id in buckets on disk. Of
 * several equal pairs one is kept; if rows contradict each other about a pair, all of them are dropped, because it is
 * unknown which one is correct. Memory holds one row group or line and one bucket (1/256 of the pairs), but never all
 * texts. The result depends only on the rows and the options, not on the order of the rows.
 */
export async function collectPairs(options: CollectPairsOptions): Promise<CollectedPairs> {
  const { scratch, maximum, seed } = options;
  await mkdir(scratch, { recursive: true });
  const log = new SkippedLog(join(scratch, 'skipped.jsonl'));
  const buckets = await DiskBuckets.create(join(scratch, 'buckets'));
  const rows = await readUsable(options, buckets, log);
  options.checkFailed(log.count('failed'), rows, log.reasons);
  await dropRepeated(options, buckets, log);
  const { ids, isSelected } = await selectBySeed(buckets.records<Entry>(), maximum, seed);
  const pairs = Math.min(ids, maximum ?? ids);
  return {
    rows,
    pairs,
    notSelected: ids - pairs,
    reasons: log.reasons,
    skippedCount: log.count(),
    skipped: () => log.entries(),
    async *kept() {
      for await (const { at: _at, ...pair } of buckets.records<Entry>()) if (isSelected(pair.id)) yield pair;
    },
  };
}

async function readUsable(
  options: CollectPairsOptions,
  buckets: DiskBuckets,
  log: SkippedLog,
): Promise<number> {
  const { files, format, formatField, overlaps } = options;
  let rows = 0;
  for await (const read of readPreferences(files, format, `name one of them in ${formatField}`)) {
    rows += 1;
    if (rows % ROWS_PER_YIELD === 0) await yieldToEventLoop(options, rows);
    const { origin } = read;
    const skipped = read.kind === 'preference' ? pairSkipReason(read.preference, overlaps) : read;
    if (skipped !== undefined) {
      const { kind, reason, detail } = skipped;
      await log.add({ id: nameOf(origin), kind, reason, ...(detail === undefined ? {} : { detail }) });
    } else if (read.kind === 'preference') await buckets.append(entryOf(read.preference, origin));
  }
  await buckets.flush();
  return rows;
}

/** The reason why a preference can't be used as a pair; undefined if it can. */
export function pairSkipReason(
  preference: Preference,
  overlaps: BenchmarkOverlaps | null,
): Omit<SkippedRecord, 'id'> | undefined {
  const { instruction, chosen: better, rejected: worse } = preference;
  if (instruction.trim() === '') return { kind: 'dropped', reason: 'empty' };
  const reason = pairProblem({ instruction, better, worse }, 'keep');
  return reason === undefined
    ? overlaps?.reasonFor(userRequestTexts(preference))
    : { kind: 'dropped', reason };
}

function entryOf({ id, instruction, chosen, rejected, subset }: Preference, at: RowOrigin): Entry {
  const pair = { id, instruction, better: chosen, worse: rejected };
  return { ...pair, ...(subset === undefined ? {} : { subset }), at };
}

/** Sorts every bucket by id. Keeps the first of several equal pairs, unless their labels contradict each other. */
async function dropRepeated(
  options: CollectPairsOptions,
  buckets: DiskBuckets,
  log: SkippedLog,
): Promise<void> {
  for (const bucket of BUCKET_NAMES) {
    await yieldToEventLoop(options);
    const byId = Map.groupBy(await buckets.lines(bucket), lineId);
    const kept: Line[] = [];
    for (const id of [...byId.keys()].sort()) {
      const [first, ...others] = byId.get(id) as [Line, ...Line[]];
      if (others.length === 0) kept.push(first);
      else if (await reportRepeats(first, others, log)) kept.push(first);
    }
    await buckets.replace(bucket, kept);
  }
}

/** Logs the dropped rows of a pair that occurs several times. Returns whether all rows agree about the better response. */
async function reportRepeats(first: Line, others: readonly Line[], log: SkippedLog): Promise<boolean> {
  const firstEntry = parseLine<Entry>(first);
  const entries = others.map((line) => parseLine<Entry>(line));
  const opposite = entries.find(({ better }) => better !== firstEntry.better);
  for (const { at, better } of opposite === undefined ? entries : [firstEntry, ...entries]) {
    const counterpart = opposite === undefined || better !== firstEntry.better ? firstEntry : opposite;
    const [reason, detail] =
      opposite === undefined
        ? ['duplicate', `same as ${nameOf(counterpart.at)}`]
        : ['contradicted by another row', nameOf(counterpart.at)];
    await log.add({ id: nameOf(at), kind: 'dropped', reason, detail });
  }
  return opposite === undefined;
}

function nameOf({ file, row }: RowOrigin): string {
  return `${file} row ${row}`;
}
