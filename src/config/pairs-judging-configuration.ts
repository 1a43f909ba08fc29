import { z } from 'zod';
import { judgeEvaluationConfigurationSchema } from './judge-evaluation-configuration.ts';
import { positiveInteger } from '../platform/schema-fields.ts';
import { inputPath, samplingSchema } from './fields.ts';

const { $schema, runName, seed, model, serving, inference, timeouts } =
  judgeEvaluationConfigurationSchema.shape;

/**
 * The configuration of judging a file of pairs with one judge from any source. Its sections are those of a
 * run.
 */
export const pairsJudgingConfigurationSchema = z.strictObject({
  $schema,
  runName,
  seed,
  model,
  serving,
  judgeFile: inputPath
    .describe(
      "The `judge.json` with the judge's prompt and sampling; the checkpoint's own by default. Read by a worker with the role `workflow`.",
    )
    .optional(),
  pairsFile: inputPath.describe(
    'JSONL, JSON or Parquet: `instruction` or `prompt`, and `responseA` and `responseB` (perhaps `label`), or `chosen` and `rejected`.',
  ),
  votes: positiveInteger.max(1024).default(1).describe('The judgments of each order, whose majority counts.'),
  orders: z
    .enum(['one', 'both'])
    .default('one')
    .describe('`both` judges each pair a second time with the responses swapped.'),
  sampling: samplingSchema.describe('Replaces the sampling of `judge.json`.').optional(),
  shardSize: positiveInteger.default(500).describe('Pairs in a shard.'),
  inference,
  timeouts,
});

/** The configuration of judging a file of pairs with every default filled in. */
export type PairsJudgingConfiguration = z.output<typeof pairsJudgingConfigurationSchema>;
/** The configuration of judging a file of pairs as a user writes it. */
export type PairsJudgingConfigurationInput = z.input<typeof pairsJudgingConfigurationSchema>;
