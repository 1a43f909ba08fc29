import { z } from 'zod';
import { judgeEvaluationSchema } from './evaluation-schema.ts';
import { count, path, sampling } from './fields.ts';

const { $schema, runName, seed, model, serving, inference, timeouts } = judgeEvaluationSchema.shape;

/** The configuration of judging a file of pairs: one judge, served by anybody. Its sections are those of a run. */
export const pairsJudgingSchema = z.strictObject({
  $schema,
  runName,
  seed,
  model,
  serving,
  judge: path
    .describe(
      "The `judge.json` that says how the judge is asked; the checkpoint's own by default. Read by a worker with the role `workflow`.",
    )
    .optional(),
  pairs: path.describe(
    'JSONL, JSON or Parquet: `instruction` or `prompt`, and `responseA` and `responseB` (perhaps `label`), or `chosen` and `rejected`.',
  ),
  votes: count.max(1024).default(1).describe('Judgments of each order, whose majority counts.'),
  orders: z
    .enum(['one', 'both'])
    .default('one')
    .describe('`both` asks once more with the responses exchanged.'),
  sampling: sampling.describe('Instead of what `judge.json` says.').optional(),
  shardSize: count.default(500).describe('Pairs in a shard.'),
  inference,
  timeouts,
});

/** The configuration of judging a file of pairs with every default filled in. */
export type PairsJudging = z.output<typeof pairsJudgingSchema>;
/** The configuration of judging a file of pairs as a user writes it. */
export type PairsJudgingInput = z.input<typeof pairsJudgingSchema>;
