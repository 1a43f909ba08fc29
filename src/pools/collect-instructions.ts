import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { SetAside } from '../artifacts/resume-shard.ts';
import type { DataFile } from '../config/input-files.ts';
import { keyOf, textsAsked, type Asked } from '../judge/conversation.ts';
import { hashOf } from '../judge/seeds.ts';
import { breathe, ROWS_AT_ONCE, type Watched } from './breathe.ts';
import type { BenchmarkOverlaps } from './decontamination.ts';
import type { PoolRow } from './layout.ts';
import type { LayoutName } from './layout-names.ts';
import { NearDuplicates } from './near-duplicates.ts';
import { readPoolFile } from './read-pool-file.ts';
import type { RowFilter } from './row-filters.ts';
import { Buckets, BUCKETS, idOf, recordIn, SetAsideLog, type Line, type ReasonCount } from './scratch.ts';

/** An instruction x of the pool. Its id is a hash of what is asked: the same instruction is the same example anywhere. */
export interface Instruction extends Asked {
  readonly id: string;
}

export interface CollectOptions extends Watched {
  readonly files: readonly DataFile[];
  readonly layout: LayoutName | 'auto';
  readonly filter: RowFilter;
  /** Null: the pool is not compared with the benchmarks. */
  readonly overlaps: BenchmarkOverlaps | null;
  /** Null: instructions that are nearly the same all stay. */
  readonly nearDuplicates: { readonly threshold: number; readonly ngram: number } | null;
  readonly seed: number;
  /** A folder of its own for what memory doesn't hold: about the size of the pool's texts. */
  readonly scratch: string;
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
      for await (const { at: _at, ...instruction } of buckets.records<Entry>()) {
        if (near?.isDropped[number] !== 1) yield instruction;
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
        const { instruction, conversation } = read as PoolRow;
        const asked: Asked = { instruction, ...(conversation === undefined ? {} : { conversation }) };
        await buckets.append({ id: hashOf(keyOf(asked)), ...asked, at: [file, row] } satisfies Entry);
      }
    }
  }
  await buckets.flush();
  return rows;
}

function unwanted(row: PoolRow, { filter, overlaps }: CollectOptions): Omit<SetAside, 'id'> | undefined {
  const found = filter(row);
  if (found !== undefined) return { kind: 'dropped', ...found };
  return overlaps?.reasonFor(textsAsked(row));
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
        const detail = `as ${nameOf(options, recordIn<Entry>(earlier))}`;
        await log.add({
          id: nameOf(options, recordIn<Entry>(line)),
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
  for await (const entry of buckets.records<Entry>()) {
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

function nameOf({ files }: CollectOptions, { at: [file, row] }: Entry): string {
  return `${files[file]?.name} row ${row}`;
}
