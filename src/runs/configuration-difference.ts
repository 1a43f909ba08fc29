import { isTrainingRun, type ResolvedConfiguration, type ResolvedEvaluation } from './open-run.ts';
import { fieldDifferences, type FieldDifference } from '../platform/field-differences.ts';
import { runFingerprintInputs } from '../config/fingerprint-inputs.ts';
import { stableHash } from '../platform/stable-hash.ts';

export interface ConfigurationDifference {
  /** Fields that decide the results, and prompts whose text differs. */
  readonly resultFields: readonly FieldDifference[];
  /** Fields that decide only how the work is done: endpoints, concurrent requests, sizes of shards, time limits. */
  readonly executionFields: readonly FieldDifference[];
}

type Resolved = ResolvedConfiguration | ResolvedEvaluation;

/** Fields that are not compared: the run's name, and the request to run stages again. */
const NOT_COMPARED = ['runName', '$schema', 'rerunFrom'];

/**
 * The fields in which two configurations differ, with both values. Defaults are filled in. An element of a list is
 * identified by its name, or by its index if it has none. A run and an evaluation without training are compared only in
 * the fields that both have.
 */
export function configurationDifference(first: Resolved, second: Resolved): ConfigurationDifference {
  const [a, b] = comparable(first, second);
  const all = fieldDifferences(byField(a.fields), byField(b.fields));
  const decisive = new Set(
    fieldDifferences(byField(a.resultFields), byField(b.resultFields)).map(({ field }) => field),
  );
  const resultFields = all.filter(({ field }) => decisive.has(resultFieldName(field)));
  const prompts = promptDifferences(first.prompts, second.prompts);
  return {
    resultFields: [...resultFields, ...prompts],
    executionFields: all.filter((each) => !resultFields.includes(each)),
  };
}

/** The compared fields of a configuration, and those among them that decide the results. */
interface ComparableFields {
  readonly fields: object;
  readonly resultFields: object;
}

function comparable(first: Resolved, second: Resolved): [ComparableFields, ComparableFields] {
  if (isTrainingRun(first) && isTrainingRun(second)) return [ofRun(first), ofRun(second)];
  if (!isTrainingRun(first) && !isTrainingRun(second)) return [ofEvaluation(first), ofEvaluation(second)];
  // Models are left out: a run's seed model and the evaluated judge have different purposes.
  const [a, b] = inCommon(first.configuration, second.configuration).map((fields) =>
    omitFields(fields, [...NOT_COMPARED, 'models']),
  ) as [object, object];
  return [
    { fields: a, resultFields: evaluationResultFields(a) },
    { fields: b, resultFields: evaluationResultFields(b) },
  ];
}

function ofRun({ configuration }: ResolvedConfiguration): ComparableFields {
  return {
    fields: omitFields(configuration, NOT_COMPARED),
    resultFields: runFingerprintInputs(configuration),
  };
}

function ofEvaluation({ configuration }: ResolvedEvaluation): ComparableFields {
  const fields = omitFields(configuration, NOT_COMPARED);
  const models = { seed: configuration.models.seed.checkpoint };
  return { fields, resultFields: { ...evaluationResultFields(fields), models } };
}

function evaluationResultFields(fields: object): object {
  const { evaluation = {} } = fields as { readonly evaluation?: object };
  return {
    ...omitFields(fields, ['serving', 'inference', 'timeouts', 'models', 'drift']),
    evaluation: omitFields(evaluation, ['shardSize']),
  };
}

/** The name of a field among the fields that decide the results, which give only the checkpoint of a model. */
function resultFieldName(field: string): string {
  return field.replace(/^(models\.\w+)\.checkpoint$/, '$1');
}

/** The prompts that both use and whose texts differ. Texts are shown as the beginning of their hashes. */
function promptDifferences(first: Resolved['prompts'], second: Resolved['prompts']): FieldDifference[] {
  const [a, b] = inCommon(first, second);
  const [evaluationA, evaluationB] = inCommon(first.evaluation, second.evaluation);
  return fieldDifferences(
    hashed({ ...a, evaluation: evaluationA }),
    hashed({ ...b, evaluation: evaluationB }),
    'prompts',
  );
}

/** Both objects, each without the fields that only one of them has. */
function inCommon(a: object, b: object): [object, object] {
  const only = (whole: object, other: object) =>
    Object.fromEntries(Object.entries(whole).filter(([name]) => name in other));
  return [only(a, b), only(b, a)];
}

function omitFields(whole: object, names: readonly string[]): object {
  return Object.fromEntries(Object.entries(whole).filter(([name]) => !names.includes(name)));
}

/** Turns lists of objects into objects, so that every difference has a path. */
function byField(value: unknown): unknown {
  if (Array.isArray(value)) {
    if (!value.every((each) => typeof each === 'object' && each !== null)) return value;
    return Object.fromEntries(
      value.map((each: object, index) => [
        'name' in each && typeof each.name === 'string' ? each.name : String(index),
        byField(each),
      ]),
    );
  }
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, byField(inner)]));
}

function hashed(value: unknown): unknown {
  if (typeof value === 'string') return `text ${stableHash(value).slice(0, 8)}`;
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).flatMap(([name, inner]) =>
      // A run without this prompt is not compared in it.
      inner === null ? [] : [[name, hashed(inner)]],
    ),
  );
}
