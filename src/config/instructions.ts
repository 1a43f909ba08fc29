/** Which instructions a run makes its pairs from. */
import { z } from 'zod';
import { POOL_LAYOUTS } from '../pools/layout-names.ts';
import { count, path, promptFolder, sampling } from './fields.ts';

/** A lowest and a highest value that are still taken; null: no bound. */
const bounds = z
  .strictObject({
    minimum: z
      .int()
      .nonnegative()
      .nullable()
      .default(null)
      .describe('The lowest that is taken; null: no bound.'),
    maximum: count.nullable().default(null).describe('The highest that is taken; null: no bound.'),
  })
  .prefault({});

const nearDuplicates = z.strictObject({
  threshold: z
    .number()
    .min(0.5)
    .max(1)
    .default(0.8)
    .describe('The share of common word n-grams from which two are the same.'),
  ngram: count.max(20).default(3).describe('Words in an n-gram.'),
});

/** What makes an instruction one that a benchmark has too. */
export const decontamination = z.strictObject({
  words: z.int().min(2).max(100).default(13).describe('So many words in a row that both have.'),
  fewestWords: z
    .int()
    .min(1)
    .max(100)
    .default(8)
    .describe(
      "A benchmark's instruction of fewer words only counts where it is the whole instruction of the pool.",
    ),
});

const poolFilters = z.strictObject({
  languages: z
    .array(z.string().min(2))
    .min(1)
    .nullable()
    .default(null)
    .describe('Languages to keep, such as `en` or `English`; null keeps all.'),
  languageFrom: z
    .enum(['field', 'detection', 'field-else-detection'])
    .default('field-else-detection')
    .describe("What says a row's language: the file, a detector, or the detector where the file doesn't."),
  toxic: z.enum(['keep', 'drop']).default('keep').describe('Rows that the file marks as toxic.'),
  redacted: z
    .enum(['keep', 'drop'])
    .default('keep')
    .describe('Rows that the file marks as cut for personal data.'),
  characters: bounds.describe('Length of the instruction in Unicode code points.'),
  turns: bounds.describe('How often the user speaks in the conversation.'),
  nearDuplicates: nearDuplicates
    .nullable()
    .default(null)
    .describe('Drops what is nearly the same as another instruction; null drops equal ones alone.'),
  decontamination: decontamination
    .nullable()
    .prefault({})
    .describe(
      'Drops what a benchmark of the run has too: so many words in a row, or a shorter instruction of the benchmark whole.',
    ),
});

/** The kinds of request that the paper sorts its pool by, in the usual words. */
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
  prompt: promptFolder.default('prompts/category').describe('The prompt that asks for the category.'),
  names: z.array(z.string().min(1)).min(2).default(CATEGORIES).describe('The categories to choose from.'),
  keep: z.array(z.string().min(1)).min(1).default(['reasoning']).describe('Those that are kept.'),
  sampling: sampling
    .default({ temperature: 0, topP: 1, maxTokens: 32 })
    .describe('How the category is sampled.'),
});

const complexity = z.strictObject({
  prompt: promptFolder.default('prompts/complexity').describe('The prompt that asks for the complexity.'),
  minimum: z.int().min(1).max(5).default(1).describe('The lowest complexity that is kept.'),
  maximum: z.int().min(1).max(5).default(5).describe('The highest complexity that is kept.'),
  sampling: sampling
    .default({ temperature: 0, topP: 1, maxTokens: 16 })
    .describe('How the complexity is sampled.'),
});

export const instructions = z.strictObject({
  pool: z
    .array(path)
    .min(1)
    .describe(
      'Files by path or pattern (`data/*.parquet`): .parquet, .jsonl or .json, the latter two also as .gz. Or files of the ' +
        'Hugging Face hub: `hf://datasets/<owner>/<name>@<revision>/<path or pattern>`.',
    ),
  layout: z
    .enum(['auto', ...POOL_LAYOUTS])
    .default('auto')
    .describe('How the files lay their instructions out; `auto` recognises each file by its columns.'),
  filters: poolFilters
    .prefault({})
    .describe(
      'Which rows of the pool are left out; each is counted and listed with its reason (docs/instruction-pools.md).',
    ),
  categories: categories
    .nullable()
    .default(null)
    .describe(
      'The categories an LLM chooses from, and which of them are kept; null keeps every instruction unasked.',
    ),
  complexity: complexity
    .nullable()
    .default(null)
    .describe(
      "An LLM says how complex an instruction is, from 1 to 5, and those between the bounds are kept; null doesn't ask.",
    ),
  maximum: count
    .nullable()
    .default(null)
    .describe('At most this many selected instructions, chosen by the seed; null takes all.'),
  shardSize: count.default(200).describe('Instructions in a shard: the unit that one activity works on.'),
});
