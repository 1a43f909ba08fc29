import path from 'node:path';
import type { z } from 'zod';
import { BenchmarkFileError } from './benchmark.ts';
import { readRows } from './read-rows.ts';

/** A benchmark file's rows, and where they came from. */
export interface BenchmarkRows<Row> {
  /** The absolute path, for messages. */
  file: string;
  rows: Row[];
}

/**
 * Reads a benchmark's file by a schema of its columns. Every row must fit: the message of what doesn't names file, row
 * and column, a few of many.
 *
 * @param what the benchmark and what it consists of, such as "RewardBench has 2985"
 * @throws UnreadableFileError, BenchmarkFileError
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
  // A parquet file must have every column that is asked for: where one may be missing, all are read.
  const columns = names.some(optional) ? {} : { columns: names };
  for await (const { row, value, problem } of readRows(absolute, columns)) {
    const parsed = problem === undefined ? schema.safeParse(value) : undefined;
    if (parsed?.success) rows.push(parsed.data);
    else problems.push(`row ${row}: ${problem ?? parsed?.error.issues.map(describeIssue).join('; ')}`);
  }
  throwProblems(absolute, problems);
  if (rows.length === 0) throw new BenchmarkFileError(`${absolute}: has no rows; ${what}`);
  return { file: absolute, rows };
}

/** @throws BenchmarkFileError that names the first few of the problems with a file's rows, if there are any */
export function throwProblems(file: string, problems: readonly string[]): void {
  if (problems.length === 0) return;
  const more = problems.length > 5 ? `\n  and ${problems.length - 5} more` : '';
  const shown = problems.slice(0, 5).join('\n  ');
  throw new BenchmarkFileError(
    `${file}: ${problems.length} rows can't be used, rows from 0:\n  ${shown}${more}`,
  );
}

function describeIssue(issue: z.core.$ZodIssue): string {
  return `${issue.path.join('.') || 'the row'}: ${issue.message}`;
}

/** The ids of so many rows: their numbers, padded so that ids sort as rows do. A file's own ids are often not unique. */
export function rowIds(rows: number): (row: number) => string {
  const digits = String(rows - 1).length;
  return (row) => String(row).padStart(digits, '0');
}

/**
 * A warning where a file has another number of rows than the official ones have.
 *
 * @param official the row count of each official split by its name
 */
export function rowCountWarnings(
  file: string,
  rows: number,
  benchmark: string,
  official: Readonly<Record<string, number>>,
): string[] {
  if (Object.values(official).includes(rows)) return [];
  const known = Object.entries(official).map(([split, count]) => `${split} ${count}`);
  return [
    `${file}: ${rows} rows, ${benchmark} has ${known.join(', ')}: the official figures do not compare with published ones.`,
  ];
}

/** The items, unless the benchmark's own rule has left out all of them. */
export function atLeastOne<Item>(file: string, items: Item[]): Item[] {
  if (items.length === 0)
    throw new BenchmarkFileError(`${file}: no row is left to judge by the benchmark's own rule`);
  return items;
}

/** The counts that are not 0. */
export function counted(counts: Readonly<Record<string, number>>): Record<string, number> {
  return Object.fromEntries(Object.entries(counts).filter(([, count]) => count > 0));
}
