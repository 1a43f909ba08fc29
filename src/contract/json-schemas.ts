import { z } from 'zod';
import { judgeEvaluationSchema } from '../config/evaluation-schema.ts';
import { pairsJudgingSchema } from '../config/pairs-judging-schema.ts';
import { configurationSchema } from '../config/schema.ts';
import { planSchema } from '../plan/plan-schema.ts';
import { judgeFileSchema } from './judge-file.ts';
import { judgingResultSchema } from './judging-result.ts';
import { runProgressSchema } from './progress.ts';
import { judgeEvaluationResultSchema, runResultSchema } from './result.ts';

interface Document {
  readonly title: string;
  readonly description: string;
  readonly schema: z.ZodType;
  /** What the schema can't say by itself. */
  readonly more?: object;
}

/** A run makes its pairs from instructions, or is given them and has none. */
const instructionsOrGivenPairs = {
  oneOf: [
    { required: ['instructions'] },
    {
      properties: {
        pairs: {
          description: 'The pairs that are given.',
          type: 'object',
          properties: { kind: { const: 'given', description: 'Files hold them.' } },
          required: ['kind'],
        },
      },
      required: ['pairs'],
    },
  ],
};

const documents: Readonly<Record<string, Document>> = {
  configuration: {
    title: 'Configuration of a run',
    description: 'What selfTaughtEvaluator is started with. Only fields without a default are required.',
    schema: configurationSchema,
    more: instructionsOrGivenPairs,
  },
  evaluation: {
    title: 'Configuration of an evaluation without training',
    description: 'What evaluateJudge is started with.',
    schema: judgeEvaluationSchema,
  },
  progress: {
    title: 'Progress of a run or of an evaluation without training',
    description: 'What the query "progress" answers.',
    schema: runProgressSchema,
  },
  result: {
    title: 'Result of a run',
    description: 'result.json in the store, and the result of the workflow selfTaughtEvaluator.',
    schema: runResultSchema,
  },
  plan: {
    title: 'Plan of a run',
    description: 'What the command "plan --json" prints.',
    schema: planSchema,
  },
  'evaluation-result': {
    title: 'Result of an evaluation without training',
    description: 'result.json in the store, and the result of the workflow evaluateJudge.',
    schema: judgeEvaluationResultSchema,
  },
  judging: {
    title: 'Configuration of judging a file of pairs',
    description: 'What judgePairs is started with.',
    schema: pairsJudgingSchema,
  },
  'judging-result': {
    title: 'Result of judging a file of pairs',
    description: 'result.json in the store, and the result of the workflow judgePairs.',
    schema: judgingResultSchema,
  },
  judge: {
    title: 'judge.json of a checkpoint',
    description: 'How a judge is asked and read, and what it reached.',
    schema: judgeFileSchema,
  },
};

/**
 * The JSON Schema (draft 7, which editors know best) of everything that passes between a run and the outside, by the
 * name of its file in schema/. What relates fields to each other is not in it, but for the instructions: the run's start checks that.
 */
export function jsonSchemas(): ReadonlyMap<string, object> {
  return new Map(
    Object.entries(documents).map(([name, { title, description, schema, more }]) => {
      const { $schema, ...rest } = z.toJSONSchema(schema, {
        target: 'draft-7',
        io: 'input',
        override: ({ jsonSchema }) => {
          // What JavaScript counts exactly says nothing about the field.
          if (jsonSchema.maximum === Number.MAX_SAFE_INTEGER) delete jsonSchema.maximum;
          if (jsonSchema.minimum === Number.MIN_SAFE_INTEGER) delete jsonSchema.minimum;
          // JSON Schema has no such format; the pattern beside it says the same.
          if (String(jsonSchema.format) === 'starts_with') delete jsonSchema.format;
        },
      });
      return [`${name}.schema.json`, { $schema, title, description, ...rest, ...more }];
    }),
  );
}
