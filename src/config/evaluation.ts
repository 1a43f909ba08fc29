/** The evaluation of judges, and the choice of the best one. */
import { z } from 'zod';
import { BENCHMARK_FORMATS } from '../benchmarks/registry.ts';
import { fraction, positiveInteger, promptFolderPath } from '../platform/schema-fields.ts';
import { inputPath, samplingSchema } from './fields.ts';

const benchmarkSchema = z.strictObject({
  name: z
    .string()
    .regex(/^[a-z0-9][a-z0-9-]{0,62}$/, 'a benchmark name has 1 to 63 small letters, digits or "-"')
    .describe('The name in scores, report and folders.'),
  format: z.enum(BENCHMARK_FORMATS).describe('The kind of benchmark (docs/benchmarks.md).'),
  path: inputPath.describe('The official file, or for a benchmark of several files their folder.'),
  purpose: z
    .enum(['validation', 'test'])
    .describe('`validation` is used for model selection and early stopping; `test` is only reported.'),
  prompt: promptFolderPath
    .describe(
      "Replaces the benchmark's own prompt, or `evaluation.prompt`. A benchmark with several prompts has them in subfolders.",
    )
    .optional(),
  sampling: samplingSchema.describe('Replaces `evaluation.sampling` for this benchmark.').optional(),
  probabilities: z
    .boolean()
    .describe(
      'Asks for log-probabilities, and measures how well the probability of the letter in each verdict agrees with how often it is correct (docs/benchmarks.md). The endpoint must give `logprobs`.',
    )
    .optional(),
});

export const evaluationSchema = z.strictObject({
  benchmarks: z.array(benchmarkSchema).min(1).describe('The benchmarks that every judge is evaluated on.'),
  prompt: promptFolderPath
    .default('prompts/pairwise')
    .describe('The prompt of benchmarks without one of their own.'),
  sampling: samplingSchema
    .describe(
      'How verdicts are sampled; by default as the official script of each benchmark does: at temperature 0, with its limit of tokens (docs/benchmarks.md).',
    )
    .optional(),
  votes: positiveInteger
    .max(1024)
    .default(1)
    .describe(
      'The samples of each verdict, whose majority counts (the paper also gives 32, at temperature 0.7 and top_p 0.9).',
    ),
  judgeFamily: z
    .string()
    .regex(/\S/, 'must not be empty')
    .describe(
      "A text that the names of the models of the judge's own family contain, such as `llama`. With it, and files that name the models of their responses, the report says whether the judge prefers its own family.",
    )
    .optional(),
  shardSize: positiveInteger
    .default(200)
    .describe(
      'Benchmark items in a shard, at two requests each; a shard has fewer items if they need more requests.',
    ),
});

export const modelSelectionSchema = z.strictObject({
  benchmark: z
    .string()
    .min(1)
    .describe(
      'The benchmark whose figure chooses the best checkpoint; the mean of all validation benchmarks by default.',
    )
    .optional(),
  metric: z
    .enum(['accuracy', 'positionConsistentAccuracy'])
    .default('accuracy')
    .describe(
      'The figure: the share of correct verdicts over both orders, or of pairs that are correct in both.',
    ),
});

export const earlyStoppingSchema = z.strictObject({
  patience: positiveInteger.describe(
    'Stops after this many iterations in a row without a gain in the figure that `modelSelection` names.',
  ),
  minDelta: fraction
    .lt(1)
    .default(0)
    .describe(
      'The smallest gain that counts: the figure must exceed that of the last gain by more than this share (0.005 is half a point).',
    ),
});
