import { z } from 'zod';
import { count, notNegative, positive, share } from './fields.ts';

interface Defaults {
  readonly epochs: number;
  readonly maximumSteps: number | null;
  readonly gradientAccumulation: number;
  readonly learningRate: number;
  readonly finalLearningRateRatio: number;
  readonly warmupSteps: number;
  readonly maximumGradientNorm: number | null;
  readonly maximumLength: number;
  readonly checkpointEverySteps: number;
}

/** What every method has. */
const hyperparameters = (defaults: Defaults) => ({
  epochs: positive.default(defaults.epochs).describe('Passes over the training set.'),
  maximumSteps: count
    .nullable()
    .default(defaults.maximumSteps)
    .describe('Ends after this many steps; null: after the last epoch.'),
  batchSize: count.default(1).describe('Examples in a forward pass on one device.'),
  gradientAccumulation: count
    .default(defaults.gradientAccumulation)
    .describe('Forward passes whose gradients make one step.'),
  learningRate: positive.default(defaults.learningRate).describe('After the warm-up.'),
  schedule: z
    .enum(['cosine', 'linear', 'constant'])
    .default('cosine')
    .describe('How the learning rate goes on after the warm-up.'),
  finalLearningRateRatio: notNegative
    .default(defaults.finalLearningRateRatio)
    .describe(
      'Where the schedule ends, as a multiple of the learning rate; above 1 (cosine alone) the rate rises.',
    ),
  warmupSteps: z
    .int()
    .nonnegative()
    .default(defaults.warmupSteps)
    .describe('Steps in which the learning rate rises from 0.'),
  weightDecay: notNegative.default(0.1).describe('The weight decay of AdamW.'),
  adamBetas: z
    .tuple([share.lt(1), share.lt(1)])
    .default([0.9, 0.95])
    .describe('The decay rates of the running means of AdamW.'),
  maximumGradientNorm: positive
    .nullable()
    .default(defaults.maximumGradientNorm)
    .describe('Gradients are clipped to this norm; null leaves them as they are.'),
  maximumLength: count
    .default(defaults.maximumLength)
    .describe('Tokens; a longer example is left out whole, because its end is its verdict.'),
  precision: z
    .enum(['float32', 'bfloat16'])
    .default('bfloat16')
    .describe('The type of the numbers that training computes with.'),
  checkpointEverySteps: count
    .default(defaults.checkpointEverySteps)
    .describe('Steps between two checkpoints: what a crash costs at most.'),
  keepCheckpoints: count
    .default(2)
    .describe('How many checkpoints are kept while it trains, the newest ones.'),
});

/** The paper's defaults. */
const sftHyperparameters = z.strictObject(
  hyperparameters({
    epochs: 2,
    maximumSteps: null,
    gradientAccumulation: 8,
    learningRate: 1e-6,
    finalLearningRateRatio: 0.2,
    warmupSteps: 100,
    maximumGradientNorm: null,
    maximumLength: 4096,
    checkpointEverySteps: 500,
  }),
);

/** The defaults are the released code's. */
const dpoHyperparameters = z.strictObject({
  ...hyperparameters({
    epochs: 5,
    maximumSteps: 3000,
    gradientAccumulation: 4,
    learningRate: 5.5e-8,
    finalLearningRateRatio: 20,
    warmupSteps: 0,
    maximumGradientNorm: 1,
    maximumLength: 2048,
    checkpointEverySteps: 100,
  }),
  beta: positive
    .default(0.1)
    .describe(
      'How strongly the reference holds the policy back; log-probabilities are summed over a judgment.',
    ),
  nllWeight: notNegative
    .default(1.5)
    .describe(
      "Weight of the chosen judgment's negative log-likelihood per token, beside the preference loss.",
    ),
});

const startFrom = z.enum(['seed', 'previous']);
const START_FROM =
  '`seed`: from M_0. `previous`: from the judge of the iteration before; in the first iteration that is M_0 too.';

const risingRate = {
  path: ['finalLearningRateRatio'],
  error: 'a rate that rises (above 1) needs the schedule "cosine"',
};
const fallsOrIsCosine = (fields: { schedule: string; finalLearningRateRatio: number }) =>
  fields.schedule === 'cosine' || fields.finalLearningRateRatio <= 1;

const sft = z.strictObject({
  method: z.literal('sft').describe('Learns the kept judgments.'),
  startFrom: startFrom.default('seed').describe(START_FROM),
  hyperparameters: sftHyperparameters
    .refine(fallsOrIsCosine, risingRate)
    .prefault({})
    .describe('How it is trained.'),
});

const dpo = z.strictObject({
  method: z
    .literal('dpo')
    .describe(
      'Learns to prefer right judgments to wrong ones; the reference is the checkpoint that it starts from.',
    ),
  startFrom: startFrom.default('previous').describe(START_FROM),
  rightness: z
    .enum(['single-order', 'both-orders'])
    .default('single-order')
    .describe(
      'When a judgment is right: `single-order`, when it agrees with the construction; `both-orders`, when the sample ' +
        'of the same number in the other order does too (src/judge/rightness.ts).',
    ),
  preferencePairsPerExample: count
    .default(1)
    .describe(
      'At most this many pairs of a right and a wrong judgment of one example (released code: `num_pairs`).',
    ),
  hyperparameters: dpoHyperparameters
    .refine(fallsOrIsCosine, risingRate)
    .prefault({})
    .describe('How it is trained.'),
});

const round = z.discriminatedUnion('method', [
  sft.describe('Supervised fine-tuning.'),
  dpo.describe('Direct preference optimization with a negative log-likelihood term.'),
]);

const adapter = z.discriminatedUnion('kind', [
  z
    .strictObject({ kind: z.literal('none').describe('All weights are trained.') })
    .describe('All weights are trained.'),
  z
    .strictObject({
      kind: z.literal('lora').describe('Low-rank matrices beside the weights are trained, and merged in.'),
      rank: count.default(16).describe('The rank of the matrices.'),
      alpha: positive.default(32).describe("The adapter's output counts alpha / rank times."),
      dropout: share.lt(1).default(0).describe("The share of the adapter's input that is left out."),
      targetModules: z
        .union([z.literal('all-linear'), z.array(z.string().min(1)).min(1)])
        .default('all-linear')
        .describe('The layers that get an adapter: all linear ones, or those of these names.'),
      keep: z
        .boolean()
        .default(false)
        .describe('Keep the adapter by itself beside the full weights that it was merged into.'),
    })
    .describe('LoRA.'),
]);

const launcher = z.strictObject({
  kind: z.literal('process').describe("A process on the machine of the run's worker with the role `gpu`."),
  command: z
    .array(z.string().min(1))
    .min(1)
    .describe('Program and arguments; `{python}` and `{job}` are filled in.'),
});

const tracker = z.enum(['tensorboard', 'wandb', 'mlflow']);

export const fineTuning = z.strictObject({
  rounds: z
    .array(round)
    .min(1)
    .prefault([{ method: 'sft' }])
    .describe(
      'How each iteration is fine-tuned: the first one by the first round, and so on; the last round repeats.',
    ),
  adapter: adapter.default({ kind: 'none' }).describe('Whether all weights are trained, or an adapter.'),
  launcher: launcher
    .default({ kind: 'process', command: ['{python}', '-m', 'trainer', '--job', '{job}'] })
    .describe('How the trainer is started.'),
  threads: count.nullable().default(null).describe('CPU threads of the trainer; null leaves it to PyTorch.'),
  reportTo: z
    .array(tracker)
    .default(['tensorboard'])
    .describe(
      "Where a training is reported beside its own progress: TensorBoard's files in the run's folder, Weights & Biases, " +
        "MLflow (docs/operations.md). Keys and servers come from the worker's environment.",
    ),
  trustRemoteCode: z.boolean().default(false).describe('Allow code that comes with the checkpoint to run.'),
});

export type FineTuning = z.output<typeof fineTuning>;
export type Round = z.output<typeof round>;
export type Tracker = z.output<typeof tracker>;
export type Adapter = z.output<typeof adapter>;

/** How iteration `iteration` (from 1) is fine-tuned; the last round repeats. */
export function roundOf({ rounds }: Pick<FineTuning, 'rounds'>, iteration: number): Round {
  const found = rounds[Math.min(iteration, rounds.length) - 1];
  if (found === undefined) throw new RangeError(`no round for iteration ${iteration}`);
  return found;
}
