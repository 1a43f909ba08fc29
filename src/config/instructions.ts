/** The instructions from which a run makes its pairs. */
import { z } from 'zod';
import { INSTRUCTION_FORMATS } from '../datasets/instruction-formats/registry.ts';
import { positiveInteger, promptFolderPath } from '../platform/schema-fields.ts';
import { inputPath, samplingSchema } from './fields.ts';

/** The lowest and the highest accepted value; null: no bound. */
const boundsSchema = z
  .strictObject({
    min: z
      .int()
      .nonnegative()
      .nullable()
      .default(null)
      .describe('The lowest accepted value; null: no bound.'),
    max: positiveInteger.nullable().default(null).describe('The highest accepted value; null: no bound.'),
  })
  .prefault({});

const nearDuplicates = z.strictObject({
  threshold: z
    .number()
    .min(0.5)
    .max(1)
    .default(0.8)
    .describe('The share of common word n-grams from which two instructions count as the same.'),
  ngramSize: positiveInteger.max(20).default(3).describe('Words in an n-gram.'),
});

/** The conditions under which an instruction counts as part of a benchmark. */
export const decontaminationSchema = z.strictObject({
  ngramSize: z
    .int()
    .min(2)
    .max(100)
    .default(13)
    .describe('The number of consecutive words that both contain.'),
  minWords: z
    .int()
    .min(1)
    .max(100)
    .default(8)
    .describe(
      "A benchmark's instruction of fewer words counts only if it is the whole instruction of the pool.",
    ),
});

const poolFilters = z.strictObject({
  languages: z
    .array(z.string().min(2))
    .min(1)
    .nullable()
    .default(null)
    .describe('Languages to keep, such as `en` or `English`; null keeps all.'),
  languageSource: z
    .enum(['field', 'detection', 'field-else-detection'])
    .default('field-else-detection')
    .describe(
      "The source of a row's language: the file, a detector, or the detector if the file doesn't say.",
    ),
  toxic: z.enum(['keep', 'drop']).default('keep').describe('Rows that the file marks as toxic.'),
  redacted: z
    .enum(['keep', 'drop'])
    .default('keep')
    .describe('Rows that the file marks as cut for personal data.'),
  characters: boundsSchema.describe('Length of the instruction in Unicode code points.'),
  turns: boundsSchema.describe('The number of user turns in the conversation.'),
  nearDuplicates: nearDuplicates
    .nullable()
    .default(null)
    .describe('Drops instructions that are nearly the same as another one; null drops only equal ones.'),
  decontamination: decontaminationSchema
    .nullable()
    .prefault({})
    .describe(
      'Drops instructions that overlap with a benchmark of the run: in so many consecutive words, or in the whole of a shorter instruction.',
    ),
});

/** The categories into which the paper sorts its pool. */
const CATEGORIES = [
  'reasoning',
  'math',
  'coding',
  'brainstorming',
  'advice',
  'creative writing',
  'rewriting',
  'summarization',
  'extraction',
  'classification',
  'translation',
  'closed question',
  'open question',
  'role play',
  'other',
];

const categories = z.strictObject({
  prompt: promptFolderPath.default('prompts/category').describe('The prompt for the category.'),
  names: z.array(z.string().min(1)).min(2).default(CATEGORIES).describe('The categories to choose from.'),
  keep: z.array(z.string().min(1)).min(1).default(['reasoning']).describe('The categories that are kept.'),
  sampling: samplingSchema
    .default({ temperature: 0, topP: 1, maxTokens: 32 })
    .describe('How the category is sampled.'),
});

const complexity = z.strictObject({
  prompt: promptFolderPath.default('prompts/complexity').describe('The prompt for the complexity.'),
  min: z.int().min(1).max(5).default(1).describe('The lowest complexity that is kept.'),
  max: z.int().min(1).max(5).default(5).describe('The highest complexity that is kept.'),
  sampling: samplingSchema
    .default({ temperature: 0, topP: 1, maxTokens: 16 })
    .describe('How the complexity is sampled.'),
});

export const instructionsSchema = z.strictObject({
  pool: z
    .array(inputPath)
    .min(1)
    .describe(
      'Files by path or pattern (`data/*.parquet`): .parquet, .jsonl or .json, the latter two also as .gz. Or files of the ' +
        'Hugging Face hub: `hf://datasets/<owner>/<name>@<revision>/<path or pattern>`.',
    ),
  format: z
    .enum(['auto', ...INSTRUCTION_FORMATS])
    .default('auto')
    .describe('The row format of the files; `auto` recognises each file by its columns.'),
  filters: poolFilters
    .prefault({})
    .describe(
      'The filters on rows of the pool; each dropped row is counted and listed with its reason (docs/instruction-pools.md).',
    ),
  categories: categories
    .nullable()
    .default(null)
    .describe(
      'The categories that an LLM chooses from, and those that are kept; null keeps every instruction without asking.',
    ),
  complexity: complexity
    .nullable()
    .default(null)
    .describe(
      'An LLM rates the complexity of each instruction from 1 to 5, and those between the bounds are kept; null skips the rating.',
    ),
  maxInstructions: positiveInteger
    .nullable()
    .default(null)
    .describe('The maximum number of instructions, chosen by the seed; null uses all.'),
  shardSize: positiveInteger
    .default(200)
    .describe('Instructions in a shard: the unit that one activity works on.'),
});
