import { z } from 'zod';
import { judgeEvaluationConfigurationSchema } from '../config/judge-evaluation-configuration.ts';
import { pairsJudgingConfigurationSchema } from '../config/pairs-judging-configuration.ts';
import { configurationSchema } from '../config/run-configuration.ts';
import { policySchema } from '../policy/policy-schema.ts';
import { estimateSchema } from './estimate.ts';
import { judgeFileSchema } from './judge-file.ts';
import { pairsJudgingResultSchema } from './pairs-judging-result.ts';
import { runProgressSchema } from './progress.ts';
import { judgeEvaluationResultSchema, runResultSchema } from './result.ts';

interface SchemaDocument {
  readonly title: string;
  readonly description: string;
  readonly schema: z.ZodType;
  /** Conditions that the zod schema can't express. */
  readonly additions?: object;
}

/** A run either makes its pairs from instructions, or reads provided pairs and has no instructions. */
const instructionsOrProvidedPairs = {
  oneOf: [
    { required: ['instructions'] },
    {
      properties: {
        pairs: {
          description: 'The provided pairs.',
          type: 'object',
          properties: { kind: { const: 'provided', description: 'Files contain the pairs.' } },
          required: ['kind'],
        },
      },
      required: ['pairs'],
    },
  ],
};

const documents: Readonly<Record<string, SchemaDocument>> = {
  configuration: {
    title: 'Configuration of a run',
    description:
      'The configuration that selfTaughtEvaluator is started with. Only fields without a default are required.',
    schema: configurationSchema,
    additions: instructionsOrProvidedPairs,
  },
  evaluation: {
    title: 'Configuration of an evaluation without training',
    description: 'The configuration that evaluateJudge is started with.',
    schema: judgeEvaluationConfigurationSchema,
  },
  progress: {
    title: 'Progress of a run or of an evaluation without training',
    description: 'The answer of the query "progress".',
    schema: runProgressSchema,
  },
  result: {
    title: 'Result of a run',
    description: 'result.json in the store, and the result of the workflow selfTaughtEvaluator.',
    schema: runResultSchema,
  },
  plan: {
    title: 'Plan of a run',
    description: 'The output of the command "plan --json".',
    schema: estimateSchema,
  },
  'evaluation-result': {
    title: 'Result of an evaluation without training',
    description: 'result.json in the store, and the result of the workflow evaluateJudge.',
    schema: judgeEvaluationResultSchema,
  },
  judging: {
    title: 'Configuration of judging a file of pairs',
    description: 'The configuration that judgePairs is started with.',
    schema: pairsJudgingConfigurationSchema,
  },
  'judging-result': {
    title: 'Result of judging a file of pairs',
    description: 'result.json in the store, and the result of the workflow judgePairs.',
    schema: pairsJudgingResultSchema,
  },
  policy: {
    title: 'Policy of a worker',
    description: 'The file of the option "worker --policy": what a configuration may make the worker do.',
    schema: policySchema,
  },
  judge: {
    title: 'judge.json of a checkpoint',
    description: 'How a judge is prompted, how its verdicts are parsed, and its figures.',
    schema: judgeFileSchema,
  },
};

/**
 * The JSON Schemas (draft 7, which editors support best) of all data between a run and its users, by the name of the
 * file in schema/. They do not contain conditions between fields, except for the instructions; the start of a run
 * checks those.
 */
export function jsonSchemas(): ReadonlyMap<string, object> {
  return new Map(
    Object.entries(documents).map(([name, { title, description, schema, additions: more }]) => {
      const { $schema, ...rest } = toJsonSchema(schema, 'input');
      return [`${name}.schema.json`, { $schema, title, description, ...rest, ...more }];
    }),
  );
}

/** The JSON Schema (draft 7) of what a schema reads (`input`: fields with a default may be missing) or gives (`output`). */
export function toJsonSchema(schema: z.ZodType, io: 'input' | 'output'): z.core.JSONSchema.BaseSchema {
  return z.toJSONSchema(schema, {
    target: 'draft-7',
    io,
    override: ({ jsonSchema }) => {
      // Removes the largest safe integer of JavaScript, which is no property of the field.
      if (jsonSchema.maximum === Number.MAX_SAFE_INTEGER) delete jsonSchema.maximum;
      if (jsonSchema.minimum === Number.MIN_SAFE_INTEGER) delete jsonSchema.minimum;
      // Removes a format that JSON Schema does not have; the pattern says the same.
      if (String(jsonSchema.format) === 'starts_with') delete jsonSchema.format;
    },
  });
}
