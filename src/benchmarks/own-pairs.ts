import { readdir, stat } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import type { DataFile } from '../datasets/rows/data-file.ts';
import type { UnusableRow } from '../datasets/rows/unusable-row.ts';
import { readRatedColumns } from '../datasets/rated-columns.ts';
import { readPreferences, type Preference } from '../datasets/read-preferences.ts';
import { InvalidBenchmarkFile, type BenchmarkFile, type BenchmarkPair } from './benchmark.ts';
import { pairBenchmark } from './pair-benchmark.ts';
import { pairFigures } from './pair-figures.ts';
import { requireItems, rowIds, throwIfProblems } from './read-benchmark.ts';
import { strictVerdict } from './votes.ts';

/** The names of files of rows. */
const ROWS = /\.(parquet|jsonl?(\.gz)?)$/i;

/**
 * A user's own pairs in any preference format: one file, or a folder of files. They are scored by the strict rule only.
 * The subset is the column `subset`; without it, the name of the file if there are several. Optional columns say which
 * models wrote the responses, and what each of several raters says (`src/datasets/rated-columns.ts`).
 */
export const ownPairs = pairBenchmark({
  name: 'pairs',
  read: readOwnPairs,
  officialVerdict: strictVerdict,
  isLabelledByPeople: true,
  official: (judged, seed) => ({ figures: pairFigures(judged, 'strict'), seed }),
});

interface Item {
  /** The row's number among the rows of all files. */
  readonly row: number;
  readonly file: string;
  readonly preference: Preference;
  readonly rated: RatedFields;
}

type RatedFields = Pick<BenchmarkPair, 'models' | 'labels'>;

async function readOwnPairs(path: string): Promise<BenchmarkFile<BenchmarkPair>> {
  const absolute = resolve(path);
  const files = await filesAt(absolute);
  const severalFiles = files.length > 1;
  const found: Item[] = [];
  const problems: string[] = [];
  const excluded: Record<string, number> = {};
  let rows = 0;
  for await (const { origin, ...read } of readPreferences(files, 'auto', 'keep the columns of one of them')) {
    const row = rows++;
    const rated = read.kind === 'preference' ? ratedFields(read.preference) : read;
    const unusable =
      'reason' in rated ? rated : read.kind === 'preference' ? unusableReason(read.preference) : read;
    if (unusable?.kind === 'dropped') excluded[unusable.reason] = (excluded[unusable.reason] ?? 0) + 1;
    else if (unusable !== undefined) {
      const reasons = [unusable.reason, ...('detail' in unusable ? [unusable.detail] : [])];
      problems.push(`${severalFiles ? `${origin.file} ` : ''}row ${origin.row}: ${reasons.join(': ')}`);
    } else if (read.kind === 'preference' && !('reason' in rated))
      found.push({ row, file: origin.file, preference: read.preference, rated });
  }
  if (rows === 0)
    throw new InvalidBenchmarkFile(
      `${absolute}: has no rows; a row has prompt, chosen and rejected, or another format of docs/own-data.md`,
    );
  throwIfProblems(absolute, problems);
  const idOf = rowIds(rows);
  const items = found.map(({ row, file, preference, rated }) => ({
    id: idOf(row),
    subset: preference.subset ?? (severalFiles ? file.replace(ROWS, '') : 'all'),
    instruction: preference.instruction,
    better: preference.chosen,
    worse: preference.rejected,
    ...rated,
  }));
  return { items: requireItems(absolute, items), warnings: [], excluded };
}

/** The models and the labels of a pair, in the terms of a benchmark; or why its columns can't be used. */
function ratedFields({ rated }: Preference): RatedFields | UnusableRow {
  if (rated === undefined) return {};
  const { betterSide: better } = rated;
  const isOfSides = better === 'A' || better === 'B';
  const read = readRatedColumns(rated, isOfSides ? 'sides' : 'chosen');
  if ('reason' in read) return read;
  const [first, second] = better === 'B' ? read.models.toReversed() : read.models;
  const chosen = isOfSides ? better : 'chosen';
  const labels = Object.entries(read.labels).map(
    ([rater, label]) => [rater, label === 'tie' ? 'tie' : label === chosen ? 'better' : 'worse'] as const,
  );
  const hasModel = first !== undefined || second !== undefined;
  const models = {
    ...(first === undefined ? {} : { better: first }),
    ...(second === undefined ? {} : { worse: second }),
  };
  return {
    ...(hasModel ? { models } : {}),
    ...(labels.length > 0 ? { labels: Object.fromEntries(labels) } : {}),
  };
}

/** Why a preference can't be judged: equal responses are dropped, and a row without an instruction is damaged. */
function unusableReason({ instruction, chosen, rejected }: Preference): UnusableRow | undefined {
  if (instruction.trim() === '') return { kind: 'failed', reason: 'empty instruction' };
  return chosen === rejected ? { kind: 'dropped', reason: 'equal responses' } : undefined;
}

/** The file, or the files in the folder in the order of their names. */
async function filesAt(absolute: string): Promise<DataFile[]> {
  const isFolder = await stat(absolute).then(
    (found) => found.isDirectory(),
    () => false,
  );
  if (!isFolder) return [{ name: basename(absolute), path: absolute }];
  const names = (await readdir(absolute)).filter((name) => ROWS.test(name)).sort();
  if (names.length === 0)
    throw new InvalidBenchmarkFile(`${absolute}: this folder contains no .parquet, .jsonl or .json file`);
  return names.map((name) => ({ name, path: join(absolute, name) }));
}
