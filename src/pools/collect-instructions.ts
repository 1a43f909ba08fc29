import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate as macrotask } from 'node:timers/promises';
import type { SetAside } from '../artifacts/resume-shard.ts';
import { hashOf } from '../judge/seeds.ts';
import type { BenchmarkOverlaps } from './decontamination.ts';
import type { PoolRow } from './layout.ts';
import type { LayoutName } from './layout-names.ts';
import { NearDuplicates } from './near-duplicates.ts';
import { readPoolFile } from './read-pool-file.ts';
import type { RowFilter } from './row-filters.ts';
import { Buckets, BUCKETS, SetAsideLog, type Line, type ReasonCount } from './scratch.ts';

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

/** After `{"id":"`. */
const ID_STARTS = 7;
const ID_LENGTH = 16;

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
  const buckets = await Buckets.create(join(scratch, 'buckets'));
  const rows = await filterRows(options, buckets, log);
  options.checkFailed(log.count('failed'), rows, log.reasons);
  const distinct = await dropEqual(options, buckets, log);
  const near = nearDuplicates && (await dropNearlyEqual(options, nearDuplicates, distinct, buckets, log));
  return {
    rows,
    instructions: distinct - (near?.dropped ?? 0),
    reasons: log.reasons,
    setAside: log.count(),
    leftOut: () => log.entries(),
    async *kept() {
      let number = 0;
      for await (const { id, instruction } of inOrder(buckets)) {
        if (near?.isDropped[number] !== 1) yield { id, instruction };
        number += 1;
      }
    },
  };
}

async function filterRows(options: CollectOptions, buckets: Buckets, log: SetAsideLog): Promise<number> {
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
        await buckets.append(id, { id, instruction, at: [file, row] } satisfies Entry);
      }
    }
  }
  await buckets.flush();
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
async function dropEqual(options: CollectOptions, buckets: Buckets, log: SetAsideLog): Promise<number> {
  let distinct = 0;
  for (const bucket of BUCKETS) {
    await breathe(options);
    const first = new Map<string, Line>();
    for (const line of await buckets.lines(bucket)) {
      const id = idOf(line);
      const earlier = first.get(id);
      if (earlier === undefined) first.set(id, line);
      else {
        const detail = `as ${nameOf(options, entryOf(earlier))}`;
        await log.add({ id: nameOf(options, entryOf(line)), kind: 'dropped', reason: 'duplicate', detail });
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

/** The id of an entry's line, which begins with it. */
function idOf(line: Line): string {
  return line.toString('latin1', ID_STARTS, ID_STARTS + ID_LENGTH);
}

function entryOf(line: Line): Entry {
  return JSON.parse(line.toString('utf8')) as Entry;
}

async function dropNearlyEqual(
  options: CollectOptions,
  { threshold, ngram }: NonNullable<CollectOptions['nearDuplicates']>,
  capacity: number,
  buckets: Buckets,
  log: SetAsideLog,
) {
  const index = new NearDuplicates({ threshold, ngram, seed: options.seed, capacity });
  const isDropped = new Uint8Array(capacity);
  let dropped = 0;
  let number = 0;
  for await (const entry of inOrder(buckets)) {
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
  for (const bucket of BUCKETS) for (const line of await sorted.lines(bucket)) yield entryOf(line);
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
