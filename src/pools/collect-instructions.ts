import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate as macrotask } from 'node:timers/promises';
import type { SetAside } from '../artifacts/resume-shard.ts';
import { hashOf } from '../judge/seeds.ts';
import type { BenchmarkOverlaps } from './decontamination.ts';
import type { PoolRow } from './layout.ts';
import type { LayoutName } from './layouts.ts';
import { NearDuplicates } from './near-duplicates.ts';
import { readPoolFile } from './read-pool-file.ts';
import type { RowFilter } from './row-filters.ts';
import { Buckets, BUCKETS, SetAsideLog, type ReasonCount } from './scratch.ts';

/** An instruction x of the pool. Its id is a hash of its text: the same instruction is the same example anywhere. */
export interface Instruction {
  readonly id: string;
  readonly instruction: string;
}

/** A file of the pool, with the name that its rows are reported under. */
export interface PoolFile {
  readonly name: string;
  readonly path: string;
}

export interface CollectOptions {
  readonly files: readonly PoolFile[];
  readonly layout: LayoutName | 'auto';
  readonly filter: RowFilter;
  /** Null: the pool is not compared with the benchmarks. */
  readonly overlaps: BenchmarkOverlaps | null;
  /** Null: instructions that are nearly the same all stay. */
  readonly nearDuplicates: { readonly threshold: number; readonly ngram: number } | null;
  readonly seed: number;
  /** A folder of its own for what memory doesn't hold: about the size of the pool's texts. */
  readonly scratch: string;
  readonly signal: AbortSignal;
  readonly onProgress: (progress: { readonly rows: number }) => void;
  /** Called when all rows were read; throws where too many of them were damaged. */
  readonly checkFailed: (failed: number, rows: number, reasons: readonly ReasonCount[]) => void;
}

/** A pool that is read: what stays and what doesn't, both streamed from the scratch folder. */
export interface CollectedPool {
  readonly rows: number;
  readonly instructions: number;
  readonly reasons: readonly ReasonCount[];
  readonly setAside: number;
  /** Sorted by id. */
  kept(): AsyncGenerator<Instruction>;
  leftOut(): AsyncGenerator<SetAside>;
}

interface Entry extends Instruction {
  /** Where it stands: number of the file, row. */
  readonly at: readonly [file: number, row: number];
}

/** Rows between two looks at the clock and the signal. */
const ROWS_AT_ONCE = 200;

/**
 * Reads a pool of any size: rows are filtered one by one, sorted by id in buckets on disk, and equal or nearly equal
 * ones dropped. Memory holds one row group or line, one bucket (a 256th of the pool) and, for near duplicates, a
 * signature of each instruction, but never the texts. The outcome follows from the rows, the options and the seed;
 * the order of the rows decides only which of equal ones is reported as the duplicate.
 */
export async function collectInstructions(options: CollectOptions): Promise<CollectedPool> {
  const { scratch, nearDuplicates } = options;
  await mkdir(scratch, { recursive: true });
  const log = new SetAsideLog(join(scratch, 'set-aside.jsonl'));
  const unsorted = await Buckets.create(join(scratch, 'unsorted'));
  const rows = await filterRows(options, unsorted, log);
  options.checkFailed(log.count('failed'), rows, log.reasons);
  const sorted = await Buckets.create(join(scratch, 'sorted'));
  const distinct = await dropEqual(options, unsorted, sorted, log);
  const near = nearDuplicates && (await dropNearlyEqual(options, nearDuplicates, distinct, sorted, log));
  return {
    rows,
    instructions: distinct - (near?.dropped ?? 0),
    reasons: log.reasons,
    setAside: log.count(),
    leftOut: () => log.entries(),
    async *kept() {
      let number = 0;
      for await (const { id, instruction } of inOrder(sorted)) {
        if (near?.isDropped[number] !== 1) yield { id, instruction };
        number += 1;
      }
    },
  };
}

async function filterRows(options: CollectOptions, unsorted: Buckets, log: SetAsideLog): Promise<number> {
  let rows = 0;
  for (const [file, { name, path }] of options.files.entries()) {
    for await (const { row, read } of readPoolFile(path, options.layout)) {
      rows += 1;
      if (rows % ROWS_AT_ONCE === 0) await breathe(options, rows);
      const without = 'reason' in read ? read : unwanted(read, options);
      if (without !== undefined) await log.add({ id: `${name} row ${row}`, ...without });
      else {
        const { instruction } = read as PoolRow;
        const id = hashOf(instruction);
        await unsorted.append(id, { id, instruction, at: [file, row] } satisfies Entry);
      }
    }
  }
  await unsorted.flush();
  return rows;
}

function unwanted(row: PoolRow, { filter, overlaps }: CollectOptions): Omit<SetAside, 'id'> | undefined {
  const found = filter(row);
  if (found !== undefined) return { kind: 'dropped', ...found };
  const overlap = overlaps?.find(row.instruction);
  if (overlap === undefined) return undefined;
  const { benchmark, row: benchmarkRow, words } = overlap;
  return {
    kind: 'dropped',
    reason: `overlaps with benchmark ${benchmark}`,
    detail: `row ${benchmarkRow}: ${words}`,
  };
}

/** Sorts every bucket by id and keeps the first of equal instructions; returns how many there are. */
async function dropEqual(
  options: CollectOptions,
  unsorted: Buckets,
  sorted: Buckets,
  log: SetAsideLog,
): Promise<number> {
  let distinct = 0;
  for (const bucket of BUCKETS) {
    await breathe(options);
    const first = new Map<string, Entry>();
    for (const entry of await unsorted.records<Entry>(bucket)) {
      const earlier = first.get(entry.id);
      if (earlier === undefined) first.set(entry.id, entry);
      else {
        const detail = `as ${nameOf(options, earlier)}`;
        await log.add({ id: nameOf(options, entry), kind: 'dropped', reason: 'duplicate', detail });
      }
    }
    await unsorted.remove(bucket);
    const entries = [...first.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
    for (const entry of entries) await sorted.append(entry.id, entry);
    distinct += entries.length;
  }
  await sorted.flush();
  return distinct;
}

async function dropNearlyEqual(
  options: CollectOptions,
  { threshold, ngram }: NonNullable<CollectOptions['nearDuplicates']>,
  capacity: number,
  sorted: Buckets,
  log: SetAsideLog,
) {
  const index = new NearDuplicates({ threshold, ngram, seed: options.seed, capacity });
  const isDropped = new Uint8Array(capacity);
  let dropped = 0;
  let number = 0;
  for await (const entry of inOrder(sorted)) {
    if (number % ROWS_AT_ONCE === 0) await breathe(options);
    const near = index.addUnlessNear(entry.id, entry.instruction);
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

async function* inOrder(sorted: Buckets): AsyncGenerator<Entry> {
  for (const bucket of BUCKETS) yield* await sorted.records<Entry>(bucket);
}

function nameOf({ files }: CollectOptions, { at: [file, row] }: Entry): string {
  return `${files[file]?.name} row ${row}`;
}

/** Lets heartbeats out and a cancellation in: reading from memory alone never gives the event loop a turn. */
async function breathe({ signal, onProgress }: CollectOptions, rows?: number): Promise<void> {
  signal.throwIfAborted();
  if (rows !== undefined) onProgress({ rows });
  await macrotask();
}
