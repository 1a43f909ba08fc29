import type { z } from 'zod';
import { isObject } from '../platform/is-object.ts';
import type { Problem } from '../platform/problem.ts';
import {
  judgeEvaluationConfigurationSchema,
  type JudgeEvaluationConfiguration,
} from './judge-evaluation-configuration.ts';
import { budgetProblems } from './budget-problems.ts';
import { driftProblems } from './drift.ts';
import {
  missingCheckpointProblems,
  missingJudgeFileProblems,
  servingProblems,
  trainedJudgeProblems,
} from './serving-problems.ts';
import { crossSectionProblems } from './cross-section-problems.ts';
import { pairSourceProblems } from './pair-source-problems.ts';
import {
  pairsJudgingConfigurationSchema,
  type PairsJudgingConfiguration,
} from './pairs-judging-configuration.ts';
import { configurationSchema, type Configuration, type PartialConfiguration } from './run-configuration.ts';

/** The complete configuration, or the sections that are usable despite the problems. */
export interface ParsedConfiguration<Whole = Configuration> {
  readonly configuration?: Whole;
  readonly usable: Partial<Whole>;
  readonly problems: readonly Problem[];
}

/**
 * Parses a configuration and reports all its problems at once. With the usable sections the caller can look
 * for further problems (missing files, endpoints that are down), so that a user sees all of them together.
 */
export function parseConfiguration(input: unknown): ParsedConfiguration {
  return readBy<Configuration>(configurationSchema, input, (usable) => [
    ...listProblems(usable),
    ...trainedJudgeProblems(usable),
    ...(isObject(input) ? pairSourceProblems(usable, input['instructions'] !== undefined) : []),
  ]);
}

/** Parses the configuration of an evaluation without training in the same way. */
export function parseJudgeEvaluation(input: unknown): ParsedConfiguration<JudgeEvaluationConfiguration> {
  return readBy<JudgeEvaluationConfiguration>(judgeEvaluationConfigurationSchema, input, (evaluation) => {
    const problems = listProblems({
      ...(evaluation.evaluation && { evaluation: evaluation.evaluation }),
      ...(evaluation.serving && { serving: evaluation.serving }),
    });
    return [...problems, ...missingCheckpointProblems(evaluation), ...driftProblems(evaluation)];
  });
}

/** Parses the configuration of judging a file of pairs in the same way. */
export function parsePairsJudging(input: unknown): ParsedConfiguration<PairsJudgingConfiguration> {
  return readBy<PairsJudgingConfiguration>(pairsJudgingConfigurationSchema, input, (judging) => {
    const { votes = 1, sampling } = judging;
    const problems = [...missingCheckpointProblems(judging), ...missingJudgeFileProblems(judging)];
    if (votes > 1 && sampling?.temperature === 0)
      problems.push({
        path: 'sampling.temperature',
        message: `found 0 with votes ${votes}: all votes would be the same`,
      });
    return problems;
  });
}

/** A schema of sections. The valid sections can be used without the others. */
interface SectionsSchema<Whole> {
  readonly shape: Readonly<Record<string, z.ZodType>>;
  readonly safeParse: (input: unknown) => z.ZodSafeParseResult<Whole>;
}

function readBy<Whole>(
  schema: SectionsSchema<Whole>,
  input: unknown,
  relations: (usable: Partial<Whole>) => Problem[],
): ParsedConfiguration<Whole> {
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

/** Reports problems between fields: names that must occur in another list, or only once. */
function listProblems(configuration: PartialConfiguration): Problem[] {
  const problems: Problem[] = servingProblems(configuration);
  const categories = configuration.instructions?.categories;
  categories?.keep.forEach((name, index) => {
    if (categories.names.includes(name)) return;
    const message = `found ${JSON.stringify(name)}, which is not among instructions.categories.names: ${categories.names.join(', ')}`;
    problems.push({ path: `instructions.categories.keep.${index}`, message });
  });
  const { filters, complexity } = configuration.instructions ?? {};
  const bounds = { 'filters.characters': filters?.characters, 'filters.turns': filters?.turns, complexity };
  for (const [field, between] of Object.entries(bounds)) {
    const { min = null, max = null } = between ?? {};
    if (min === null || max === null || min <= max) continue;
    const message = `found ${min}, more than max ${max}: nothing would be kept`;
    problems.push({ path: `instructions.${field}.min`, message });
  }
  const benchmarks = configuration.evaluation?.benchmarks ?? [];
  benchmarks.forEach(({ name }, index) => {
    const first = benchmarks.findIndex((other) => other.name === name);
    if (first === index) return;
    const message = `found ${JSON.stringify(name)}, the name of evaluation.benchmarks.${first}: give each benchmark its own`;
    problems.push({ path: `evaluation.benchmarks.${index}.name`, message });
  });
  problems.push(...crossSectionProblems(configuration), ...budgetProblems(configuration));
  const { votes, sampling } = configuration.evaluation ?? { votes: 1, sampling: undefined };
  benchmarks.forEach((benchmark, index) => {
    // The official scripts' temperature is 0.
    if (votes === 1 || ((benchmark.sampling ?? sampling)?.temperature ?? 0) !== 0) return;
    const path = benchmark.sampling
      ? `evaluation.benchmarks.${index}.sampling.temperature`
      : 'evaluation.sampling.temperature';
    const found =
      (benchmark.sampling ?? sampling) === undefined ? 'not set, which means the official 0,' : 'found 0';
    const message = `${found} with evaluation.votes ${votes}: all votes would be the same`;
    if (!problems.some((problem) => problem.path === path)) problems.push({ path, message });
  });
  return problems;
}

function describe<Whole>(schema: SectionsSchema<Whole>, issue: z.core.$ZodIssue, input: unknown): Problem[] {
  if (issue.code === 'unrecognized_keys') {
    const fields = fieldsAt(schema, issue.path, input);
    return issue.keys.map((key) => ({
      path: [...issue.path, key].join('.'),
      message: `unknown field${fields === undefined ? '' : `; known here: ${fields.join(', ')}`}`,
    }));
  }
  const path = issue.path.join('.') || 'configuration';
  if (issue.code === 'invalid_key') {
    const allowed = issue.issues.map(({ message }) => message).join('; ');
    return [{ path, message: `found the name ${JSON.stringify(issue.path.at(-1))}; allowed: ${allowed}` }];
  }
  const found = valueAt(input, issue.path);
  const message = issue.message
    .replace(/^Invalid (input|option): /, '')
    .replace(
      /^Invalid discriminator value\. Expected (.+)$/,
      (_, kinds: string) => `expected one of ${kinds.replaceAll(' | ', '|').replaceAll("'", '"')}`,
    );
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

/** The fields that the schema has at a path, for the message about an unknown field. */
function fieldsAt(
  root: SectionsSchema<unknown>,
  path: readonly PropertyKey[],
  input: unknown,
): string[] | undefined {
  let schema = objectOrArray(root, input);
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

/**
 * Resolves defaults, transforms and unions to an object or array schema. `value` selects the alternative of a
 * union.
 */
function objectOrArray(schema: unknown, value: unknown): SchemaLike | undefined {
  let current = schema as SchemaLike | undefined;
  while (current !== undefined && current.shape === undefined && current.def?.element === undefined) {
    current = current.def?.innerType ?? current.def?.in ?? current.def?.options?.find(takes(value));
  }
  return current;
}

/** Returns a test of whether an alternative of a union has the `kind` or `method` that the value names. */
function takes(value: unknown): (option: SchemaLike) => boolean {
  return ({ shape }) =>
    ['kind', 'method'].some((name) => shape?.[name]?.safeParse?.(valueAt(value, [name])).success === true);
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

/** The top-level sections that are valid after the invalid values are removed, with defaults filled in. */
function usableSections<Whole>(
  { shape }: SectionsSchema<Whole>,
  input: unknown,
  issues: readonly z.core.$ZodIssue[],
): Partial<Whole> {
  if (typeof input !== 'object' || input === null) return {};
  const cleaned = structuredClone(input) as Record<string, unknown>;
  // Starts with the last one, because a removal from an array shifts the later elements.
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
