import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { SkippedRecord } from '../store/shard-types.ts';
import type { DataFile } from './rows/data-file.ts';
import { userRequestKey, userRequestTexts, type UserRequest } from '../method/conversation.ts';
import { stableHash } from '../platform/stable-hash.ts';
import { yieldToEventLoop, ROWS_PER_YIELD, type ProgressMonitor } from './yield-to-event-loop.ts';
import type { BenchmarkOverlaps } from './decontamination.ts';
import type { InstructionRow } from './instruction-formats/instruction-format.ts';
import type { InstructionFormatName } from './instruction-formats/registry.ts';
import { NearDuplicateIndex } from './near-duplicates.ts';
import { readInstructions } from './read-instructions.ts';
import type { RowFilter } from './instruction-filters.ts';
import {
  DiskBuckets,
  BUCKET_NAMES,
  lineId,
  parseLine,
  SkippedLog,
  type Line,
  type SkipReasonCount,
} from './disk-buckets.ts';

/** An instruction x of the pool. Its id is a hash of the request, so the same instruction has the same id in every run. */
export interface PoolInstruction extends UserRequest {
  readonly id: string;
}

export interface CollectInstructionsOptions extends ProgressMonitor {
  readonly files: readonly DataFile[];
  readonly format: InstructionFormatName | 'auto';
  readonly filter: RowFilter;
  /** Null: no comparison with the benchmarks. */
  readonly overlaps: BenchmarkOverlaps | null;
  /** Null: near duplicates stay in the pool. */
  readonly nearDuplicates: { readonly threshold: number; readonly ngramSize: number } | null;
  readonly seed: number;
  /** A folder for temporary files, which need about as much space as the pool's texts. Nothing else is in it. */
  readonly scratch: string;
  /** Called after all rows are read; throws if too many of them are damaged. */
  readonly checkFailed: (failed: number, rows: number, reasons: readonly SkipReasonCount[]) => void;
}

/** The result of reading a pool: the kept instructions and the skipped rows, both streamed from the scratch folder. */
export interface CollectedPool {
  readonly rows: number;
  readonly instructions: number;
  readonly reasons: readonly SkipReasonCount[];
  readonly skippedCount: number;
  /** Sorted by id. */
  kept(): AsyncGenerator<PoolInstruction>;
  skipped(): AsyncGenerator<SkippedRecord>;
}

interface Entry extends PoolInstruction {
  /** Its origin: the number of the file, and the row. */
  readonly at: readonly [file: number, row: number];
}

/**
 * Reads a pool of any size. Rows are filtered one by one and sorted by id in buckets on disk; then duplicates and near
 * duplicates are dropped. Memory holds one row group or line, one bucket (1/256 of the pool) and, for near duplicates,
 * a signature of each instruction, but never all texts. The result depends only on the rows, the options and the seed;
 * the order of the rows decides only which of several equal rows is reported as the duplicate.
 */
export async function collectInstructions(options: CollectInstructionsOptions): Promise<CollectedPool> {
  const { scratch, nearDuplicates } = options;
  await mkdir(scratch, { recursive: true });
  const log = new SkippedLog(join(scratch, 'skipped.jsonl'));
  const buckets = await DiskBuckets.create(join(scratch, 'buckets'));
  const rows = await filterRows(options, buckets, log);
  options.checkFailed(log.count('failed'), rows, log.reasons);
  const distinct = await dropDuplicates(options, buckets, log);
  const near = nearDuplicates && (await dropNearDuplicates(options, nearDuplicates, distinct, buckets, log));
  return {
    rows,
    instructions: distinct - (near?.dropped ?? 0),
    reasons: log.reasons,
    skippedCount: log.count(),
    skipped: () => log.entries(),
    async *kept() {
      let number = 0;
      for await (const { at: _at, ...instruction } of buckets.records<Entry>()) {
        if (near?.isDropped[number] !== 1) yield instruction;
        number += 1;
      }
    },
  };
}

async function filterRows(
  options: CollectInstructionsOptions,
  buckets: DiskBuckets,
  log: SkippedLog,
): Promise<number> {
  let rows = 0;
  for (const [file, { name, path }] of options.files.entries()) {
    for await (const { row, result: read } of readInstructions(path, options.format)) {
      rows += 1;
      if (rows % ROWS_PER_YIELD === 0) await yieldToEventLoop(options, rows);
      const skipped = 'reason' in read ? read : skipReason(read, options);
      if (skipped !== undefined) await log.add({ id: `${name} row ${row}`, ...skipped });
      else {
        const { instruction, conversation } = read as InstructionRow;
        const request: UserRequest = { instruction, ...(conversation === undefined ? {} : { conversation }) };
        await buckets.append({
          id: stableHash(userRequestKey(request)),
          ...request,
          at: [file, row],
        } satisfies Entry);
      }
    }
  }
  await buckets.flush();
  return rows;
}

function skipReason(
  row: InstructionRow,
  { filter, overlaps }: CollectInstructionsOptions,
): Omit<SkippedRecord, 'id'> | undefined {
  const unwanted = filter(row);
  if (unwanted !== undefined) return { kind: 'dropped', ...unwanted };
  return overlaps?.reasonFor(userRequestTexts(row));
}

/** Sorts every bucket by id and keeps the first of several equal instructions. Returns the number of kept ones. */
async function dropDuplicates(
  options: CollectInstructionsOptions,
  buckets: DiskBuckets,
  log: SkippedLog,
): Promise<number> {
  let distinct = 0;
  for (const bucket of BUCKET_NAMES) {
    await yieldToEventLoop(options);
    const first = new Map<string, Line>();
    for (const line of await buckets.lines(bucket)) {
      const id = lineId(line);
      const earlier = first.get(id);
      if (earlier === undefined) first.set(id, line);
      else {
        const detail = `same as ${nameOf(options, parseLine<Entry>(earlier))}`;
        await log.add({
          id: nameOf(options, parseLine<Entry>(line)),
          kind: 'dropped',
          reason: 'duplicate',
          detail,
        });
      }
    }
    await buckets.replace(
      bucket,
      [...first].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, line]) => line),
    );
    distinct += first.size;
  }
  return distinct;
}

async function dropNearDuplicates(
  options: CollectInstructionsOptions,
  { threshold, ngramSize }: NonNullable<CollectInstructionsOptions['nearDuplicates']>,
  capacity: number,
  buckets: DiskBuckets,
  log: SkippedLog,
) {
  const index = new NearDuplicateIndex({ threshold, ngramSize, seed: options.seed, capacity });
  const isDropped = new Uint8Array(capacity);
  let dropped = 0;
  let number = 0;
  for await (const entry of buckets.records<Entry>()) {
    if (number % ROWS_PER_YIELD === 0) await yieldToEventLoop(options);
    const near = index.addUnlessDuplicate(entry.id, entry.instruction);
    if (near !== undefined) {
      isDropped[number] = 1;
      dropped += 1;
      const detail = `${near.similarity.toFixed(2)} of ${near.id}`;
      await log.add({ id: nameOf(options, entry), kind: 'dropped', reason: 'near duplicate', detail });
    }
    number += 1;
  }
  return { isDropped, dropped };
}

function nameOf({ files }: CollectInstructionsOptions, { at: [file, row] }: Entry): string {
  return `${files[file]?.name} row ${row}`;
}
