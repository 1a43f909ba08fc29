import path from 'node:path';
import type { z } from 'zod';
import { quantity } from '../platform/quantity.ts';
import { InvalidBenchmarkFile } from './benchmark.ts';
import { describeRowProblems } from '../datasets/rows/describe-row-problems.ts';
import { readRows } from '../datasets/rows/read-rows.ts';

/** The rows of a benchmark file. */
export interface BenchmarkRows<Row> {
  /** The absolute path, for messages. */
  file: string;
  rows: Row[];
}

/**
 * Reads a benchmark's file by a schema of its columns. Every row must fit the schema; the error names the file and the rows
 * and columns of the first few problems.
 *
 * @param what the benchmark's name and size for the error, such as "RewardBench has 2985"
 * @throws UnreadableFile, InvalidBenchmarkFile
 */
export async function readBenchmarkRows<Shape extends z.core.$ZodLooseShape>(
  file: string,
  schema: z.ZodObject<Shape>,
  what: string,
): Promise<BenchmarkRows<z.output<z.ZodObject<Shape>>>> {
  const absolute = path.resolve(file);
  const rows: z.output<z.ZodObject<Shape>>[] = [];
  const problems: string[] = [];
  const optional = (name: string) =>
    (schema.shape[name] as unknown as z.ZodType).safeParse(undefined).success;
  const names = Object.keys(schema.shape);
  // A Parquet file must have every requested column, so all columns are read if one is optional.
  const columns = names.some(optional) ? {} : { columns: names };
  for await (const { row, value, problem } of readRows(absolute, columns)) {
    const parsed = problem === undefined ? schema.safeParse(value) : undefined;
    if (parsed?.success) rows.push(parsed.data);
    else problems.push(`row ${row}: ${problem ?? parsed?.error.issues.map(describeIssue).join('; ')}`);
  }
  throwIfProblems(absolute, problems);
  if (rows.length === 0) throw new InvalidBenchmarkFile(`${absolute}: has no rows; ${what}`);
  return { file: absolute, rows };
}

/** @throws InvalidBenchmarkFile with the first few problems, if there are any */
export function throwIfProblems(file: string, problems: readonly string[]): void {
  if (problems.length === 0) return;
  throw new InvalidBenchmarkFile(describeRowProblems(file, problems, "can't be used"));
}

function describeIssue(issue: z.core.$ZodIssue): string {
  return `${issue.path.join('.') || 'the row'}: ${issue.message}`;
}

/** Makes ids from row numbers, padded so that the order of ids is the order of rows. A file's own ids are often not unique. */
export function rowIds(rows: number): (row: number) => string {
  const digits = String(rows - 1).length;
  return (row) => String(row).padStart(digits, '0');
}

/**
 * Warns if the number of rows differs from that of all official splits.
 *
 * @param official the number of rows of each official split by its name
 */
export function rowCountWarnings(
  file: string,
  rows: number,
  benchmark: string,
  official: Readonly<Record<string, number>>,
): string[] {
  if (Object.values(official).includes(rows)) return [];
  const sizes = Object.entries(official).map(([split, count]) => `${split} ${count}`);
  return [
    `${file}: ${quantity(rows, 'row')}, but ${benchmark} has ${sizes.join(', ')}, so the official scores can't be compared with published ones.`,
  ];
}

/** Returns the items. Throws if the benchmark's own rule excludes all of them. */
export function requireItems<Item>(file: string, items: Item[]): Item[] {
  if (items.length === 0)
    throw new InvalidBenchmarkFile(`${file}: the benchmark's own rule excludes every row`);
  return items;
}

/** Leaves out the counts that are 0. */
export function nonZeroCounts(counts: Readonly<Record<string, number>>): Record<string, number> {
  return Object.fromEntries(Object.entries(counts).filter(([, count]) => count > 0));
}
