/** What judges are evaluated on, and how the best one is chosen. */
import { z } from 'zod';
import { BENCHMARK_FORMATS } from '../benchmarks/formats.ts';
import { count, path, promptFolder, sampling, share } from './fields.ts';

const benchmark = z.strictObject({
  name: z
    .string()
    .regex(/^[a-z0-9][a-z0-9-]{0,62}$/, 'a benchmark name has 1 to 63 small letters, digits or "-"')
    .describe('The name in scores, report and folders.'),
  format: z.enum(BENCHMARK_FORMATS).describe('Which benchmark it is (docs/benchmarks.md).'),
  path: path.describe('The official file, or for a benchmark of several files their folder.'),
  purpose: z
    .enum(['validation', 'test'])
    .describe('`validation` chooses the checkpoint and stops early; `test` is only reported.'),
  prompt: promptFolder
    .describe(
      "Instead of the benchmark's own prompt, or of `evaluation.prompt`. A benchmark of several prompts has them in subfolders.",
    )
    .optional(),
  sampling: sampling.describe('Instead of `evaluation.sampling`.').optional(),
});

export const evaluation = z.strictObject({
  benchmarks: z.array(benchmark).min(1).describe('What every judge is evaluated on.'),
  prompt: promptFolder
    .default('prompts/pairwise')
    .describe('The prompt of benchmarks that have none of their own.'),
  sampling: sampling
    .default({ temperature: 0, topP: 1, maxTokens: 2048 })
    .describe('How verdicts are sampled.'),
  votes: count
    .max(1024)
    .default(1)
    .describe(
      'Samples of each verdict, whose majority counts (the paper also gives 32, at temperature 0.7 and top_p 0.9).',
    ),
  shardSize: count
    .default(200)
    .describe('Benchmark items in a shard, at two requests each; fewer of those that take more.'),
});

export const choosing = z.strictObject({
  benchmark: z
    .string()
    .min(1)
    .describe(
      'The benchmark by whose figure the best checkpoint is chosen; the mean of all validation benchmarks by default.',
    )
    .optional(),
  metric: z
    .enum(['accuracy', 'positionConsistentAccuracy'])
    .default('accuracy')
    .describe('The figure: right verdicts over both orders, or pairs that are right in both.'),
});

export const earlyStopping = z.strictObject({
  patience: count.describe(
    'Stop after this many iterations in a row without a gain in the figure that `choosing` names.',
  ),
  minimumGain: share
    .lt(1)
    .default(0)
    .describe(
      'What counts as a gain: more than this above the figure of the last gain, as a share (0.005 is half a point).',
    ),
});
