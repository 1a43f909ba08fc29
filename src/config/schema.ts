import { z } from 'zod';
import { choosing, earlyStopping, evaluation } from './evaluation.ts';
import { budget } from './budget.ts';
import { count, positive, runName, schemaAddress, share } from './fields.ts';
import { fineTuning } from './fine-tuning.ts';
import { instructions } from './instructions.ts';
import { filtering, judging, pairs } from './judging.ts';
import { models, serving } from './models.ts';
import { prices } from './prices.ts';
import type { sampling } from './fields.ts';
import { publish } from './publish.ts';

/**
 * The configuration of a run: one JSON object, the same from the CLI, HTTP and every SDK. Defaults are the paper's
 * settings (arXiv 2408.02666) where it gives them. Unknown fields are errors, so that a typing mistake never passes
 * for a setting. The descriptions are what `schema/configuration.schema.json` tells editors.
 */

const inference = z.strictObject({
  requestsPerShard: count
    .default(64)
    .describe('Requests that one shard has in flight; the worker bounds the sum for each endpoint.'),
  shardsAtOnce: count.max(100).default(4).describe('Shards that one stage works on at once.'),
  maximumSetAsideShare: share
    .default(0.05)
    .describe("More than this share of a shard's units set aside for good fails the stage."),
});

const timeouts = z.strictObject({
  heartbeatSeconds: z
    .number()
    .min(5)
    .default(60)
    .describe('How long the silence of a worker lasts before its work is given to another one.'),
  workerSeconds: positive.default(60).describe('How long work may wait for a worker with the right role.'),
  fineTuneHours: positive.default(24 * 14).describe('How long the fine-tuning of one iteration may take.'),
  trainingStallSeconds: positive
    .default(1800)
    .describe(
      'How long a training may show no progress (no step, nothing written of a checkpoint or of the model): then it is ' +
        'stopped, with a checkpoint if it can save one, and goes on from the newest. The third time without a step in ' +
        'between the run fails. One that is to stop, for a pause, a cancel or a budget, is killed only once it has shown ' +
        'nothing for so long.',
    ),
  trainingStartSeconds: positive
    .default(3600)
    .describe('The same before its first step, while it loads the model, reads the data and compiles.'),
});

export const configurationSchema = z.strictObject({
  $schema: schemaAddress,
  runName: runName.describe(
    "The run's name, its folder in the store, and its workflow's id where the client starts it: the same name goes on with the same run.",
  ),
  seed: z
    .int()
    .nonnegative()
    .max(2 ** 31 - 1)
    .default(42)
    .describe('Every random choice follows from it.'),
  iterations: count
    .max(100)
    .default(5)
    .describe('How often the judge is trained; early stopping may end it before.'),
  models: models.describe('The models that a run begins with.'),
  serving: serving.describe('How models are served.'),
  instructions: instructions
    .describe(
      'The instructions that pairs are made from. Needed, unless `pairs` are given: then there are none.',
    )
    .optional(),
  pairs: pairs
    .prefault({})
    .describe('The response pairs whose better side is known: how they are made, or which files hold them.'),
  judging: judging.prefault({}).describe('How the judge is asked about the pairs.'),
  filtering: filtering.prefault({}).describe('Which judgments become training examples.'),
  fineTuning: fineTuning.prefault({}).describe('How the judge is trained on them.'),
  evaluation: evaluation.describe('What every judge is evaluated on, the seed model too.'),
  choosing: choosing.prefault({}).describe('By what the best checkpoint is chosen.'),
  earlyStopping: earlyStopping
    .nullable()
    .default(null)
    .describe('When the run ends before its last iteration; null: never.'),
  inference: inference.prefault({}).describe('How much is asked of the endpoints at once.'),
  timeouts: timeouts.prefault({}).describe('How long the run waits for what.'),
  prices: prices
    .optional()
    .describe("What a run is charged, for the report's costs and `budget.usd`; without it none are shown."),
  budget: budget
    .optional()
    .describe(
      'What the run may spend, in all its iterations and however often it is started; at a limit it pauses, and goes on ' +
        'after the update `setBudget` (docs/running.md). What is in flight then ends. Without it nothing limits it.',
    ),
  redo: z
    .string()
    .regex(/^\d+\/[a-z-]+$/, 'for example "2/judge-pairs"')
    .describe('`"<iteration>/<stage>"`: set this stage and all that follow aside and do them again.')
    .optional(),
  publish: publish
    .describe(
      'Pushes the outputs to the Hugging Face hub once the run has its result; without it nothing leaves the store.',
    )
    .optional(),
});

/** A configuration with every default filled in. */
export type Configuration = z.output<typeof configurationSchema>;
/** A configuration as a user writes it. */
export type ConfigurationInput = z.input<typeof configurationSchema>;
export type Serving = Configuration['serving'];
export type Sampling = z.output<typeof sampling>;
