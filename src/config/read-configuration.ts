import type { z } from 'zod';
import { judgeEvaluationSchema, type JudgeEvaluation } from './evaluation-schema.ts';
import { budgetProblems } from './budget.ts';
import { addressProblems } from './address-problems.ts';
import { judgingProblems } from './judging-problems.ts';
import { pairSourceProblems } from './pair-source-problems.ts';
import { pairsJudgingSchema, type PairsJudging } from './pairs-judging-schema.ts';
import { configurationSchema, type Configuration } from './schema.ts';

/** One thing that is wrong with a configuration or its surroundings: where, and what to do about it. */
export interface Problem {
  /** The field's path, such as `judging.samples`, or what was looked at. */
  readonly path: string;
  readonly message: string;
}

/** What could be read: the whole configuration, or the sections that are usable in spite of the problems. */
export interface ReadConfiguration<Whole = Configuration> {
  readonly configuration?: Whole;
  readonly usable: Partial<Whole>;
  readonly problems: readonly Problem[];
}

/**
 * Reads a configuration and names everything that is wrong with it at once. The usable sections let the caller go on
 * looking (for missing files, endpoints that are down) so that a user sees all problems in one go.
 */
export function readConfiguration(input: unknown): ReadConfiguration {
  return readBy<Configuration>(configurationSchema, input, (usable) => [
    ...relationProblems(usable),
    ...(isObject(input) ? pairSourceProblems(usable, input['instructions'] !== undefined) : []),
  ]);
}

/** Reads the configuration of an evaluation without training in the same way. */
export function readJudgeEvaluation(input: unknown): ReadConfiguration<JudgeEvaluation> {
  return readBy<JudgeEvaluation>(judgeEvaluationSchema, input, (evaluation) => {
    const problems = relationProblems({
      ...(evaluation.evaluation && { evaluation: evaluation.evaluation }),
      ...(evaluation.serving && { serving: evaluation.serving }),
    });
    if (evaluation.serving?.kind === 'command' && evaluation.model === undefined)
      problems.push({ path: 'model', message: 'missing: a command needs the checkpoint that it serves' });
    return problems;
  });
}

/** Reads the configuration of judging a file of pairs in the same way. */
export function readPairsJudging(input: unknown): ReadConfiguration<PairsJudging> {
  return readBy<PairsJudging>(pairsJudgingSchema, input, ({ serving, model, judge, votes = 1, sampling }) => {
    const problems: Problem[] = [];
    if (serving?.kind === 'command' && model === undefined)
      problems.push({ path: 'model', message: 'missing: a command needs the checkpoint that it serves' });
    if (serving?.kind === 'endpoint' && model === undefined && judge === undefined)
      problems.push({
        path: 'judge',
        message:
          "missing: an endpoint doesn't tell how its judge is asked; name judge.json of the checkpoint",
      });
    if (votes > 1 && sampling?.temperature === 0)
      problems.push({
        path: 'sampling.temperature',
        message: `found 0 beside votes ${votes}: all votes would be the same`,
      });
    return problems;
  });
}

/** A schema of sections, of which the valid ones can be used without the others. */
interface SectionsSchema<Whole> {
  readonly shape: Readonly<Record<string, z.ZodType>>;
  readonly safeParse: (input: unknown) => z.ZodSafeParseResult<Whole>;
}

function readBy<Whole>(
  schema: SectionsSchema<Whole>,
  input: unknown,
  relations: (usable: Partial<Whole>) => Problem[],
): ReadConfiguration<Whole> {
  const parsed = schema.safeParse(input);
  if (parsed.success) {
    const problems = relations(parsed.data);
    return problems.length === 0
      ? { configuration: parsed.data, usable: parsed.data, problems }
      : { usable: parsed.data, problems };
  }
  const { issues } = parsed.error;
  const usable = usableSections(schema, input, issues);
  return {
    usable,
    problems: [...issues.flatMap((issue) => describe(schema, issue, input)), ...relations(usable)],
  };
}

/** What single fields can't see: names that must occur in each other, or only once. */
function relationProblems(configuration: Partial<Configuration>): Problem[] {
  const problems: Problem[] = addressProblems(configuration);
  const categories = configuration.instructions?.categories;
  categories?.keep.forEach((name, index) => {
    if (categories.names.includes(name)) return;
    const message = `found ${JSON.stringify(name)}, which is not among instructions.categories.names: ${categories.names.join(', ')}`;
    problems.push({ path: `instructions.categories.keep.${index}`, message });
  });
  const { filters, complexity } = configuration.instructions ?? {};
  const bounds = { 'filters.characters': filters?.characters, 'filters.turns': filters?.turns, complexity };
  for (const [field, between] of Object.entries(bounds)) {
    const { minimum = null, maximum = null } = between ?? {};
    if (minimum === null || maximum === null || minimum <= maximum) continue;
    const message = `found ${minimum}, more than the maximum ${maximum}: nothing would be left`;
    problems.push({ path: `instructions.${field}.minimum`, message });
  }
  const benchmarks = configuration.evaluation?.benchmarks ?? [];
  benchmarks.forEach(({ name }, index) => {
    const first = benchmarks.findIndex((other) => other.name === name);
    if (first === index) return;
    const message = `found ${JSON.stringify(name)}, the name of evaluation.benchmarks.${first}: give each benchmark its own`;
    problems.push({ path: `evaluation.benchmarks.${index}.name`, message });
  });
  problems.push(...judgingProblems(configuration), ...budgetProblems(configuration));
  const { votes, sampling } = configuration.evaluation ?? { votes: 1, sampling: undefined };
  benchmarks.forEach((benchmark, index) => {
    if (votes === 1 || (benchmark.sampling ?? sampling)?.temperature !== 0) return;
    const path = benchmark.sampling
      ? `evaluation.benchmarks.${index}.sampling.temperature`
      : 'evaluation.sampling.temperature';
    const message = `found 0 beside evaluation.votes ${votes}: all votes would be the same`;
    if (!problems.some((problem) => problem.path === path)) problems.push({ path, message });
  });
  return problems;
}

function describe<Whole>(schema: SectionsSchema<Whole>, issue: z.core.$ZodIssue, input: unknown): Problem[] {
  if (issue.code === 'unrecognized_keys') {
    const known = fieldsAt(schema, issue.path, input);
    return issue.keys.map((key) => ({
      path: [...issue.path, key].join('.'),
      message: `unknown field${known === undefined ? '' : `; known here: ${known.join(', ')}`}`,
    }));
  }
  const path = issue.path.join('.') || 'configuration';
  if (issue.code === 'invalid_key') {
    const allowed = issue.issues.map(({ message }) => message).join('; ');
    return [{ path, message: `found the name ${JSON.stringify(issue.path.at(-1))}; allowed: ${allowed}` }];
  }
  const found = valueAt(input, issue.path);
  const message = issue.message.replace(/^Invalid (input|option): /, '');
  return [
    {
      path,
      message:
        found === undefined
          ? `missing: ${message.replace(/, received undefined$/, '')}`
          : `${message}; found ${shortJson(found)}`,
    },
  ];
}

/** The names of the fields that the schema knows at a path, for the message about an unknown one. */
function fieldsAt(
  whole: SectionsSchema<unknown>,
  path: readonly PropertyKey[],
  input: unknown,
): string[] | undefined {
  let schema = objectOrArray(whole, input);
  let value = input;
  for (const key of path) {
    value = valueAt(value, [key]);
    schema = objectOrArray(schema?.shape?.[String(key)] ?? schema?.def?.element, value);
  }
  return schema?.shape && Object.keys(schema.shape).filter((key) => !key.startsWith('$'));
}

interface SchemaLike {
  readonly safeParse?: (value: unknown) => { readonly success: boolean };
  readonly shape?: Readonly<Record<string, SchemaLike>>;
  readonly def?: {
    readonly innerType?: SchemaLike;
    readonly in?: SchemaLike;
    readonly element?: SchemaLike;
    readonly options?: readonly SchemaLike[];
  };
}

/** The schema behind defaults, transforms and, as `value` decides, the alternatives of a union. */
function objectOrArray(schema: unknown, value: unknown): SchemaLike | undefined {
  let current = schema as SchemaLike | undefined;
  while (current !== undefined && current.shape === undefined && current.def?.element === undefined) {
    current = current.def?.innerType ?? current.def?.in ?? current.def?.options?.find(takes(value));
  }
  return current;
}

/** Whether an alternative is the one that a value names by its `kind` or `method`. */
function takes(value: unknown): (option: SchemaLike) => boolean {
  return ({ shape }) =>
    ['kind', 'method'].some((name) => shape?.[name]?.safeParse?.(valueAt(value, [name])).success === true);
}

function isObject(input: unknown): input is Record<string, unknown> {
  return typeof input === 'object' && input !== null && !Array.isArray(input);
}

function valueAt(input: unknown, path: readonly PropertyKey[]): unknown {
  let value = input;
  for (const key of path) value = (value as Record<PropertyKey, unknown> | null | undefined)?.[key];
  return value;
}

function shortJson(value: unknown): string {
  const json = JSON.stringify(value);
  return json.length > 80 ? `${json.slice(0, 77)}...` : json;
}

/** The top-level sections that are valid once the offending values are taken out, defaults filled in. */
function usableSections<Whole>(
  { shape }: SectionsSchema<Whole>,
  input: unknown,
  issues: readonly z.core.$ZodIssue[],
): Partial<Whole> {
  if (typeof input !== 'object' || input === null) return {};
  const cleaned = structuredClone(input) as Record<string, unknown>;
  // From the last one on, so that what is taken out of an array doesn't shift what is still to be taken out.
  for (const issue of issues.toReversed()) {
    if (issue.code === 'unrecognized_keys')
      for (const key of issue.keys) remove(cleaned, [...issue.path, key]);
    else remove(cleaned, issue.path);
  }
  const sections = Object.entries(shape).flatMap(([name, schema]) => {
    const section = schema.safeParse(cleaned[name]);
    return section.success && section.data !== undefined ? [[name, section.data] as const] : [];
  });
  return Object.fromEntries(sections) as Partial<Whole>;
}

function remove(root: Record<string, unknown>, path: readonly PropertyKey[]): void {
  const parent = valueAt(root, path.slice(0, -1));
  const last = path.at(-1);
  if (last === undefined || typeof parent !== 'object' || parent === null) return;
  if (Array.isArray(parent)) parent.splice(Number(last), 1);
  else Reflect.deleteProperty(parent, last);
}
