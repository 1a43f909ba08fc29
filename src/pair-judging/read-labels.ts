import type { Label } from '../benchmarks/judge-agreement.ts';
import { readRatedColumns } from '../datasets/rated-columns.ts';
import { quotedName } from '../datasets/rows/json-object.ts';
import { readRows } from '../datasets/rows/read-rows.ts';
import { isObject, type JsonObject } from '../platform/is-object.ts';
import { requireNoProblems } from './read-verdicts.ts';

/** The label of each rater on a pair. */
export type PairLabels = Readonly<Record<string, Label>>;

/** The name of a rater without one. */
const UNNAMED = 'label';

/**
 * Reads a file of people's labels. A row has the `id` of a pair (otherwise its number is the pair's), and `label` or
 * `betterSide` (`A`, `B` or `tie`), perhaps with the name of its `rater`; or `raters`, an object with the label of each
 * one or a list. Several rows may have the same pair, with different raters.
 *
 * @returns the labels by the id of the pair
 * @throws InvalidVerdictFile, UnreadableFile
 */
export async function readLabels(file: string): Promise<ReadonlyMap<string, PairLabels>> {
  const labels = new Map<string, Record<string, Label>>();
  const problems: string[] = [];
  for await (const { row, value, problem } of readRows(file)) {
    const read = problem ?? (isObject(value) ? labelsOf(value) : 'it is not an object');
    if (typeof read === 'string') {
      problems.push(`row ${row}: ${read}`);
      continue;
    }
    const { id } = value as JsonObject;
    const pair = typeof id === 'string' || typeof id === 'number' ? String(id) : String(row);
    const ofPair = labels.get(pair) ?? {};
    const repeated = Object.keys(read).find((rater) => Object.hasOwn(ofPair, rater));
    if (repeated !== undefined)
      problems.push(`row ${row}: a second label of ${quotedName(repeated)} on the pair ${quotedName(pair)}`);
    labels.set(pair, { ...ofPair, ...read });
  }
  requireNoProblems(file, problems, "can't be read as a label: fix or remove such rows");
  return labels;
}

/** The labels of a row by rater, or why it can't be used. A row whose label is null has none. */
function labelsOf(row: JsonObject): PairLabels | string {
  if (row['raters'] !== undefined && row['raters'] !== null) {
    const read = readRatedColumns(row, 'sides');
    return 'reason' in read ? read.reason : (read.labels as PairLabels);
  }
  const field = ['label', 'betterSide'].find((name) => name in row);
  if (field === undefined) return 'no field "label", "betterSide" or "raters"';
  const label = row[field];
  if (label === null) return {};
  if (label !== 'A' && label !== 'B' && label !== 'tie')
    return `"${field}" is ${quotedName(label)}, but must be "A", "B" or "tie"`;
  const { rater } = row;
  return { [typeof rater === 'string' || typeof rater === 'number' ? String(rater) : UNNAMED]: label };
}
