/** Reads a user's records of tasks beyond pairs from which judges learn. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { TrainedRecord } from '../method/task-examples.ts';
import type { TaskLabel, TaskName } from '../method/tasks.ts';
import { canonicalJson } from '../platform/canonical-json.ts';
import { stableHash } from '../platform/stable-hash.ts';
import type { SkippedRecord } from '../store/shard-types.ts';
import type { BenchmarkOverlaps } from './decontamination.ts';
import { SkippedLog, type SkipReasonCount } from './disk-buckets.ts';
import type { DataFile } from './rows/data-file.ts';
import { readRows } from './rows/read-rows.ts';
import { LABEL_FIELDS, readTaskRecord } from './task-records.ts';
import { ROWS_PER_YIELD, type ProgressMonitor, yieldToEventLoop } from './yield-to-event-loop.ts';

interface CollectRecordsOptions extends ProgressMonitor {
  readonly task: TaskName;
  readonly files: readonly DataFile[];
  /** Null: no comparison with the benchmarks. */
  readonly overlaps: BenchmarkOverlaps | null;
  /** A folder for temporary files. Nothing else is in it. */
  readonly scratch: string;
  /** Called after all rows are read; throws if too many of them are damaged. */
  readonly checkFailed: (failed: number, rows: number, reasons: readonly SkipReasonCount[]) => void;
}

/** The result of reading records: the kept ones, streamed from their files, and the skipped rows. */
export interface CollectedRecords {
  readonly rows: number;
  readonly records: number;
  readonly reasons: readonly SkipReasonCount[];
  /** In the order of the rows. */
  kept(): AsyncGenerator<TrainedRecord>;
  skipped(): AsyncGenerator<SkippedRecord>;
}

/** The row of a record that counts, and its label; undefined if another row has the same record with another label. */
interface FirstRow {
  readonly name: string;
  readonly label: TaskLabel | undefined;
}

/**
 * Reads the records of a task. Of several equal ones the first is kept; if rows contradict each other about one, all of them are
 * dropped, because it is unknown which is right. Memory holds the ids of all records, but never all texts.
 */
export async function collectRecords(options: CollectRecordsOptions): Promise<CollectedRecords> {
  const { task, files, overlaps, scratch } = options;
  await mkdir(scratch, { recursive: true });
  const log = new SkippedLog(join(scratch, 'skipped.jsonl'));
  const firstRows = new Map<string, FirstRow>();
  let rows = 0;
  for await (const { name, read } of readTaskRows(task, files)) {
    rows += 1;
    if (rows % ROWS_PER_YIELD === 0) await yieldToEventLoop(options, rows);
    const skipped = recordSkipReason(read, overlaps);
    if (skipped !== undefined) await log.add({ id: name, ...skipped });
    else if (typeof read !== 'string') await addRecord(read, name);
  }
  options.checkFailed(log.count('failed'), rows, log.reasons);
  const contradicted = [...firstRows.values()].filter(({ label }) => label === undefined).length;
  return {
    rows,
    records: firstRows.size - contradicted,
    reasons: log.reasons,
    skipped: () => log.entries(),
    async *kept() {
      for await (const { name, read } of readTaskRows(task, files)) {
        if (typeof read === 'string') continue;
        const first = firstRows.get(read.id);
        if (first?.label !== undefined && first.name === name) yield read;
      }
    },
  };

  async function addRecord({ id, label }: TrainedRecord, name: string): Promise<void> {
    const first = firstRows.get(id);
    if (first === undefined) firstRows.set(id, { name, label });
    else if (first.label === label)
      await log.add({ id: name, kind: 'dropped', reason: 'duplicate', detail: `same as ${first.name}` });
    else {
      const contradiction = (row: string, detail: string) =>
        log.add({ id: row, kind: 'dropped', reason: 'contradicted by another row', detail });
      await contradiction(name, first.name);
      if (first.label !== undefined) await contradiction(first.name, name);
      firstRows.set(id, { ...first, label: undefined });
    }
  }
}

/** Rows of a file that are looked at before a run. */
const CHECKED_ROWS = 20;

/**
 * Checks that a file can be opened and begins with records of a task, without reading all of it.
 * @throws UnreadableFile; Error if none of the first rows is a record
 */
export async function checkTaskFile(task: TaskName, path: string): Promise<void> {
  let rows = 0;
  let problem = 'has no rows';
  for await (const { name, read } of readTaskRows(task, [{ name: path, path }])) {
    if (typeof read !== 'string') return;
    if (rows === 0) problem = `${name} is no record with a label for the task ${task}: ${read}`;
    rows += 1;
    if (rows === CHECKED_ROWS) break;
  }
  throw new Error(rows === 0 ? `${path} ${problem}` : problem);
}

/** Reads the rows of files, each with its name and its record, or why it has none. */
export async function* readTaskRows(
  task: TaskName,
  files: readonly DataFile[],
): AsyncGenerator<{ readonly name: string; readonly read: TrainedRecord | string }> {
  for (const { name: file, path } of files)
    for await (const { row, value, problem } of readRows(path))
      yield { name: `${file} row ${row}`, read: problem ?? trainedRecord(task, value) };
}

/** The reason why a row can't be used; undefined if it can. */
export function recordSkipReason(
  read: TrainedRecord | string,
  overlaps: BenchmarkOverlaps | null,
): Omit<SkippedRecord, 'id'> | undefined {
  return typeof read === 'string'
    ? { kind: 'failed', reason: 'no usable record', detail: read }
    : overlaps?.reasonFor([read.instruction]);
}

function trainedRecord(task: TaskName, value: unknown): TrainedRecord | string {
  const read = readTaskRecord(task, value);
  if (typeof read === 'string') return read;
  const { label, subset: _subset, ...record } = read;
  if (label === undefined) return `no field "${LABEL_FIELDS[task]}"`;
  return { id: `${task}-${stableHash(canonicalJson(record))}`, task, ...record, label };
}
