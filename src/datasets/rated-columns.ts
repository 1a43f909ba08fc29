import { isObject, type JsonObject } from '../platform/is-object.ts';
import { quotedName } from './rows/json-object.ts';
import { failedRow, type UnusableRow } from './rows/unusable-row.ts';

/** The models that wrote the responses of a pair, and its labels by rater, in the terms of its columns. */
export interface RatedColumns {
  /** The model of `A` or of the chosen response, and the model of `B` or of the rejected response. */
  readonly models: readonly [string | undefined, string | undefined];
  /** By the name of the rater, or by its number from 1. Empty if there are none. */
  readonly labels: Readonly<Record<string, string>>;
}

/** The column with the labels of several raters: an object of their names, or a list. */
const RATERS = 'raters';
const MODELS_OF_SIDES = [
  ['modelA', 'modelB'],
  ['model_a', 'model_b'],
] as const;
const MODELS_BY_LABEL = ['chosen_model', 'rejected_model'] as const;

/** All columns that {@link readRatedColumns} reads. */
export const RATED_COLUMNS: readonly string[] = [RATERS, ...MODELS_OF_SIDES.flat(), ...MODELS_BY_LABEL];

/**
 * Reads who wrote and who labelled a pair.
 * @param kind the columns that name the responses; they decide which labels are allowed
 */
export function readRatedColumns(row: JsonObject, kind: 'sides' | 'chosen'): RatedColumns | UnusableRow {
  const allowed = kind === 'sides' ? ['A', 'B', 'tie'] : ['chosen', 'rejected', 'tie'];
  const labels = readRaters(row[RATERS], allowed);
  if ('reason' in labels) return labels;
  const columns =
    kind === 'chosen'
      ? MODELS_BY_LABEL
      : (MODELS_OF_SIDES.find((names) => names.some((name) => name in row)) ?? MODELS_OF_SIDES[0]);
  const modelOf = (name: string) => {
    const model = row[name];
    return typeof model === 'string' && model !== '' ? model : undefined;
  };
  return { models: [modelOf(columns[0]), modelOf(columns[1])], labels: labels.byRater };
}

type Raters = { readonly byRater: RatedColumns['labels'] };

function readRaters(value: unknown, allowed: readonly string[]): Raters | UnusableRow {
  if (value === undefined || value === null) return { byRater: {} };
  const entries = Array.isArray(value)
    ? value.map((label: unknown, index) => [String(index + 1), label] as const)
    : isObject(value)
      ? Object.entries(value)
      : undefined;
  if (entries === undefined)
    return failedRow(`"${RATERS}" is neither a list of labels nor an object with the label of each rater`);
  const byRater: [string, string][] = [];
  for (const [rater, label] of entries) {
    if (label === null || label === undefined) continue;
    if (typeof label !== 'string' || !allowed.includes(label))
      return failedRow(
        `the label of ${quotedName(rater)} in "${RATERS}" is none of ${allowed.map((each) => JSON.stringify(each)).join(', ')}`,
      );
    byRater.push([rater, label]);
  }
  return { byRater: Object.fromEntries(byRater) };
}
