import { readdir, stat } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import type { DataFile } from '../config/input-files.ts';
import type { NoPreference } from '../preferences/layout.ts';
import { readPreferences, type Preference } from '../preferences/read-preferences.ts';
import { BenchmarkFileError, type BenchmarkFile, type BenchmarkPair } from './benchmark.ts';
import { pairBenchmark } from './pair-benchmark.ts';
import { pairFigures } from './pair-figures.ts';
import { atLeastOne, rowIds, throwProblems } from './read-benchmark.ts';
import { strictVerdict } from './votes.ts';

/** Of the files in a folder. */
const ROWS = /\.(parquet|jsonl?(\.gz)?)$/i;

/**
 * A user's own pairs, in any layout of src/preferences: one file, or a folder of them. No rule but ours is there to
 * follow. The subset is the column of that name, else in a folder the file's name.
 */
export const pairs = pairBenchmark({
  name: 'pairs',
  read: readOwnPairs,
  officialVerdict: strictVerdict,
  official: (judged, seed) => ({ figures: pairFigures(judged, 'strict'), seed }),
});

interface Item {
  /** Among all rows, of all files. */
  readonly row: number;
  readonly file: string;
  readonly preference: Preference;
}

async function readOwnPairs(path: string): Promise<BenchmarkFile<BenchmarkPair>> {
  const absolute = resolve(path);
  const files = await filesAt(absolute);
  const severalFiles = files.length > 1;
  const found: Item[] = [];
  const problems: string[] = [];
  const leftOut: Record<string, number> = {};
  let rows = 0;
  for await (const { origin, ...read } of readPreferences(files, 'auto', 'keep the columns of one of them')) {
    const row = rows++;
    const why = read.kind === 'preference' ? whyNotJudged(read.preference) : read;
    if (why?.kind === 'dropped') leftOut[why.reason] = (leftOut[why.reason] ?? 0) + 1;
    else if (why !== undefined) {
      const reasons = [why.reason, ...('detail' in why ? [why.detail] : [])];
      problems.push(`${severalFiles ? `${origin.file} ` : ''}row ${origin.row}: ${reasons.join(': ')}`);
    } else if (read.kind === 'preference')
      found.push({ row, file: origin.file, preference: read.preference });
  }
  if (rows === 0)
    throw new BenchmarkFileError(
      `${absolute}: has no rows; each must have prompt, chosen and rejected, or another layout of docs/own-data.md`,
    );
  throwProblems(absolute, problems);
  const idOf = rowIds(rows);
  const items = found.map(({ row, file, preference }) => ({
    id: idOf(row),
    subset: preference.subset ?? (severalFiles ? file.replace(ROWS, '') : 'all'),
    instruction: preference.instruction,
    better: preference.chosen,
    worse: preference.rejected,
  }));
  return { items: atLeastOne(absolute, items), warnings: [], leftOut };
}

/** Equal responses can't be told apart; a row that asks nothing is damaged. */
function whyNotJudged({ instruction, chosen, rejected }: Preference): NoPreference | undefined {
  if (instruction.trim() === '') return { kind: 'failed', reason: 'nothing is asked' };
  return chosen === rejected ? { kind: 'dropped', reason: 'equal responses' } : undefined;
}

/** The file, or those in the folder, by their names. */
async function filesAt(absolute: string): Promise<DataFile[]> {
  const isFolder = await stat(absolute).then(
    (found) => found.isDirectory(),
    () => false,
  );
  if (!isFolder) return [{ name: basename(absolute), path: absolute }];
  const names = (await readdir(absolute)).filter((name) => ROWS.test(name)).sort();
  if (names.length === 0)
    throw new BenchmarkFileError(`${absolute}: no .parquet, .jsonl or .json file is in this folder`);
  return names.map((name) => ({ name, path: join(absolute, name) }));
}
