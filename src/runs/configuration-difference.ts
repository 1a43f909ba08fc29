import type { ResolvedConfiguration, ResolvedEvaluation } from '../activities/open-run.ts';
import { differingFields, type Difference } from '../artifacts/errors.ts';
import { meaningOf } from '../config/meaning.ts';
import type { Configuration } from '../config/schema.ts';
import { hashOf } from '../judge/seeds.ts';

export interface ConfigurationDifference {
  /** Fields that decide what comes out, and prompts whose text differs. */
  readonly decides: readonly Difference[];
  /** Fields that say how it is carried out: endpoints, requests in flight, sizes of shards, time-outs. */
  readonly carriedOut: readonly Difference[];
}

type Resolved = ResolvedConfiguration | ResolvedEvaluation;

/** Fields that name a run, or say what is to be done once. */
const NAMES = ['runName', '$schema', 'redo'];

/**
 * Where two configurations differ, every default filled in: paths of fields with both values. Elements of a list go by
 * their name, else by their place. Of a run and an evaluation without training only how both evaluate is compared.
 */
export function configurationDifference(first: Resolved, second: Resolved): ConfigurationDifference {
  const [a, b] = comparable(first, second);
  const all = differingFields(byField(a), byField(b));
  const meaningful = new Set(
    differingFields(byField(meaning(a)), byField(meaning(b))).map(({ field }) => field),
  );
  const decides = all.filter(({ field }) => meaningful.has(inMeaning(field)));
  const prompts = promptDifferences(first.prompts, second.prompts);
  return {
    decides: [...decides, ...prompts],
    carriedOut: all.filter((each) => !decides.includes(each)),
  };
}

function comparable(first: Resolved, second: Resolved): [object, object] {
  const [a, b] = [first, second].map(({ configuration }) => leaveOut(configuration, NAMES)) as [
    object,
    object,
  ];
  if ('fineTuning' in a === 'fineTuning' in b) return [a, b];
  // The run's seed model is not the judge that the evaluation means.
  const [mine, other] = inCommon(a, b);
  return [leaveOut(mine, ['models']), leaveOut(other, ['models'])];
}

/** What of it decides the figures. */
function meaning(whole: object): object {
  if ('fineTuning' in whole) return meaningOf(whole as Configuration);
  const { evaluation, ...rest } = whole as Partial<ResolvedEvaluation['configuration']>;
  const { shardSize: _shards, ...benchmarks } = evaluation ?? {};
  return {
    ...leaveOut(rest, ['serving', 'inference', 'timeouts', 'models']),
    evaluation: benchmarks,
    ...(rest.models === undefined ? {} : { models: { seed: rest.models.seed.checkpoint } }),
  };
}

/** A model means its checkpoint: `models.seed.checkpoint` is `models.seed` in a meaning. */
function inMeaning(field: string): string {
  return field.replace(/^(models\.\w+)\.checkpoint$/, '$1');
}

/** Prompts that both ask with, by the beginnings of the hashes of their texts: that they differ is what counts. */
function promptDifferences(first: Resolved['prompts'], second: Resolved['prompts']): Difference[] {
  const [a, b] = inCommon(first, second);
  const [evaluationA, evaluationB] = inCommon(first.evaluation, second.evaluation);
  return differingFields(
    hashed({ ...a, evaluation: evaluationA }),
    hashed({ ...b, evaluation: evaluationB }),
    'prompts',
  );
}

/** Both without what only one of them has. */
function inCommon(a: object, b: object): [object, object] {
  const only = (whole: object, other: object) =>
    Object.fromEntries(Object.entries(whole).filter(([name]) => name in other));
  return [only(a, b), only(b, a)];
}

function leaveOut(whole: object, names: readonly string[]): object {
  return Object.fromEntries(Object.entries(whole).filter(([name]) => !names.includes(name)));
}

/** Lists of objects as objects, so that a path leads to what differs in them. */
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
  if (typeof value === 'string') return `text ${hashOf(value).slice(0, 8)}`;
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).flatMap(([name, inner]) =>
      // A prompt that isn't asked for differs in nothing.
      inner === null ? [] : [[name, hashed(inner)]],
    ),
  );
}
