import { readRatedColumns } from '../datasets/rated-columns.ts';
import { readRows } from '../datasets/rows/read-rows.ts';
import { wordCount } from '../datasets/word-hashes.ts';
import type { Label } from '../benchmarks/judge-agreement.ts';
import { promptClusters } from '../benchmarks/prompt-clusters.ts';
import type { Side } from '../method/verdict.ts';
import { isObject, type JsonObject } from '../platform/is-object.ts';
import { readFilePairs } from './read-file-pairs.ts';
import { InvalidVerdictFile, type ReadVerdict, requireNoProblems } from './read-verdicts.ts';

/** The facts about a pair beside its texts, as a file of pairs gives them. */
export interface PairDetails {
  /** The first pair with the same prompt, or nearly the same. */
  readonly cluster: string;
  readonly category?: string;
  readonly words: Readonly<Record<Side, number>>;
  readonly models: Readonly<Partial<Record<Side, string>>>;
  /** The labels of the column `raters`. */
  readonly labels: Readonly<Record<string, Label>>;
}

/**
 * Reads the file that was judged.
 * @returns the details by row
 * @throws InvalidVerdictFile if the verdicts are on other pairs, or a row can't be used; UnreadableFile
 */
export async function readPairDetails(
  file: string,
  verdicts: readonly ReadVerdict[],
): Promise<ReadonlyMap<number, PairDetails>> {
  const judged = new Map(verdicts.map((verdict) => [verdict.row, verdict]));
  const details = new Map<number, Omit<PairDetails, 'cluster'>>();
  const prompts: { id: string; instruction: string }[] = [];
  const problems: string[] = [];
  const columns = readRows(file);
  for await (const { row, pair } of readFilePairs(file)) {
    const next = await columns.next();
    const value: unknown = next.done === true ? undefined : next.value.value;
    const verdict = judged.get(row);
    if (pair === undefined || verdict === undefined) continue;
    if (verdict.id !== pair.id)
      throw new InvalidVerdictFile(
        `${file} is not the file that was judged: its row ${row} has the id ${JSON.stringify(pair.id)}, the verdict on it ` +
          `${JSON.stringify(verdict.id)}. Give the file of pairs that the verdicts are on`,
      );
    const rated = ratedColumns(isObject(value) ? value : {}, pair.label);
    if (typeof rated === 'string') problems.push(`row ${row}: ${rated}`);
    else {
      details.set(row, { ...rated, words: { A: wordCount(pair.a), B: wordCount(pair.b) } });
      prompts.push({ id: String(row), instruction: pair.instruction });
    }
  }
  requireNoProblems(file, problems, "can't be used");
  const missing = verdicts.find(({ row }) => !details.has(row));
  if (missing !== undefined)
    throw new InvalidVerdictFile(
      `${file} is not the file that was judged: it has no pair in row ${missing.row}, on which there is a verdict. Give the file ` +
        'of pairs that the verdicts are on',
    );
  const clusters = promptClusters(prompts);
  return new Map(
    [...details].map(([row, each]) => [row, { ...each, cluster: clusters.get(String(row)) ?? String(row) }]),
  );
}

/** @param label the better response; for rows with `chosen`, it says which response that is */
function ratedColumns(
  row: JsonObject,
  label: Label | undefined,
): Pick<PairDetails, 'category' | 'models' | 'labels'> | string {
  const isChosen = 'chosen' in row;
  const read = readRatedColumns(row, isChosen ? 'chosen' : 'sides');
  if ('reason' in read) return read.reason;
  const isSwapped = isChosen && label === 'B';
  const [a, b] = isSwapped ? read.models.toReversed() : read.models;
  const sideOf = (given: string): Label => {
    if (given === 'tie' || given === 'A' || given === 'B') return given;
    return (given === 'chosen') === isSwapped ? 'B' : 'A';
  };
  const category = [row['subset'], row['category']].find((each) => typeof each === 'string' && each !== '');
  return {
    ...(typeof category === 'string' ? { category } : {}),
    models: { ...(a === undefined ? {} : { A: a }), ...(b === undefined ? {} : { B: b }) },
    labels: Object.fromEntries(Object.entries(read.labels).map(([rater, given]) => [rater, sideOf(given)])),
  };
}
