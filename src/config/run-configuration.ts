import { z } from 'zod';
import { modelSelectionSchema, earlyStoppingSchema, evaluationSchema } from './evaluation.ts';
import { budgetSchema } from './budget.ts';
import { positiveInteger, positiveNumber, fraction } from '../platform/schema-fields.ts';
import { runNameSchema, schemaAddress } from './fields.ts';
import { fineTuningSchema } from './fine-tuning.ts';
import { instructionsSchema } from './instructions.ts';
import { filteringSchema, judgingSchema, pairsSchema } from './judging.ts';
import { servingSchema } from '../models/serving/drivers/registry.ts';
import { modelsSchema } from './models.ts';
import { pricesSchema } from './prices.ts';
import { reasoningSchema } from './reasoning.ts';
import { publishSchema } from './publish.ts';

/**
 * The configuration of a run: one JSON object, the same for the CLI, HTTP and every SDK. The defaults are the
 * paper's settings (arXiv 2408.02666) if it names them. Unknown fields are errors, so that a misspelled field
 * is never ignored. Editors show the descriptions from `schema/configuration.schema.json`.
 */

const inference = z.strictObject({
  concurrentRequestsPerShard: positiveInteger
    .default(64)
    .describe(
      'Together with `concurrentShards`, the requests that a stage has in flight: their product. A request counts as one, however many samples it asks for. At least the sequences that the endpoint works on at once (vLLM: `--max-num-seqs`) keep it busy; the worker limits the sum for each endpoint.',
    ),
  concurrentShards: positiveInteger
    .max(100)
    .default(4)
    .describe(
      'Concurrent shards of one stage, and up to three times as many beside them that only await their last answers.',
    ),
  maxSkippedShare: fraction
    .default(0.05)
    .describe("The stage fails if more than this share of a shard's records is skipped."),
});

const timeouts = z.strictObject({
  heartbeatSeconds: z
    .number()
    .min(5)
    .default(20)
    .describe(
      'The time without a heartbeat after which a worker counts as lost, and another one takes over its work.',
    ),
  workerWaitSeconds: positiveNumber
    .default(20)
    .describe('The time that work may wait for a worker with the role that it needs.'),
  fineTuneHours: positiveNumber
    .default(24 * 14)
    .describe('The longest that the fine-tuning of one iteration may take.'),
  trainingStallSeconds: positiveNumber
    .default(1800)
    .describe(
      'The time that a training may show no progress (no step, no data of a checkpoint or of the model). Then it is ' +
        'stopped, with a checkpoint if it can save one, and resumes from the newest checkpoint. The third time without a step in ' +
        'between, the run fails. A training that is stopped by a pause, a cancel or a budget is killed only after it has shown ' +
        'no progress for this time.',
    ),
  trainingStartSeconds: positiveNumber
    .default(3600)
    .describe(
      'The same before the first step of a training, while it loads the model, reads the data and compiles.',
    ),
});

export const configurationSchema = z.strictObject({
  $schema: schemaAddress,
  runName: runNameSchema.describe(
    "The run's name, its folder in the store, and its workflow's id if the client starts it. The same name continues the same run.",
  ),
  seed: z
    .int()
    .nonnegative()
    .max(2 ** 31 - 1)
    .default(42)
    .describe('All random choices follow from it.'),
  iterations: positiveInteger
    .max(100)
    .default(5)
    .describe('The number of times that the judge is trained; early stopping may end the run earlier.'),
  models: modelsSchema.describe('The models that a run begins with.'),
  serving: servingSchema.describe('How models are served.'),
  instructions: instructionsSchema
    .describe('The instructions that pairs are made from. Required, unless files provide the `pairs`.')
    .optional(),
  pairs: pairsSchema
    .prefault({})
    .describe(
      'The response pairs whose better side is known: how they are made, or the files that contain them.',
    ),
  judging: judgingSchema.prefault({}).describe('How judgments of the pairs are sampled.'),
  reasoning: reasoningSchema
    .prefault({})
    .describe('How the reasoning of models that think before they answer is told apart from the answer.'),
  filtering: filteringSchema.prefault({}).describe('Which judgments become training examples.'),
  fineTuning: fineTuningSchema.prefault({}).describe('How the judge is trained on them.'),
  evaluation: evaluationSchema.describe('The evaluation of every judge, and of the seed model.'),
  modelSelection: modelSelectionSchema
    .prefault({})
    .describe('The figure by which the best checkpoint is chosen.'),
  earlyStopping: earlyStoppingSchema
    .nullable()
    .default(null)
    .describe('When the run ends before its last iteration; null means never.'),
  inference: inference.prefault({}).describe('Concurrency, and the share of records that may fail.'),
  timeouts: timeouts.prefault({}).describe('Time limits.'),
  prices: pricesSchema
    .optional()
    .describe("Prices for the report's costs and `budget.usd`; without them no costs are shown."),
  budget: budgetSchema
    .optional()
    .describe(
      'The limits of what the run may use, over all iterations and starts. At a limit the run pauses, and continues ' +
        'after the update `setBudget` (docs/running.md); requests in flight are completed. Without a budget there is no limit.',
    ),
  rerunFrom: z
    .string()
    .regex(/^\d+\/[A-Za-z]+$/, 'for example "2/judgePairs"')
    .describe('`"<iteration>/<stage>"`: archives this stage and all later ones and runs them again.')
    .optional(),
  publish: publishSchema
    .describe('Pushes the outputs to the Hugging Face hub when the run has its result.')
    .optional(),
  publishTo: z
    .string()
    .regex(/^s3:\/\/[a-z0-9][a-z0-9.-]+(\/.*)?$/, 'an address such as "s3://bucket/prefix"')
    .describe(
      'Copies what the run has finished to a bucket when it has its result: artifacts, judges and reports (docs/outputs.md). ' +
        'The worker with the role `workflow` needs credentials in the variables or files of the AWS SDK.',
    )
    .optional(),
});

/** A configuration with every default filled in. */
export type Configuration = z.output<typeof configurationSchema>;
/** The sections of a configuration that are usable: the others are missing or invalid. */
export type PartialConfiguration = Partial<Configuration>;

/** A configuration as a user writes it. */
export type ConfigurationInput = z.input<typeof configurationSchema>;
