import { z } from 'zod';

const positive = z.number().positive();
const notNegative = z.number().nonnegative();
const count = z.int().positive();
const share = z.number().min(0).max(1);

/** What every method has. The defaults are the paper's for SFT. */
const hyperparameters = {
  epochs: positive.default(2),
  maximumSteps: count.nullable().default(null),
  /** Examples in a forward pass on one device. */
  batchSize: count.default(1),
  gradientAccumulation: count.default(8),
  /** After the warm-up. */
  learningRate: positive.default(1e-6),
  schedule: z.enum(['cosine', 'linear', 'constant']).default('cosine'),
  /** Where the schedule ends, as a multiple of the learning rate; above 1 (cosine alone) the rate rises. */
  finalLearningRateRatio: notNegative.default(0.2),
  warmupSteps: z.int().nonnegative().default(100),
  weightDecay: notNegative.default(0.1),
  adamBetas: z.tuple([share.lt(1), share.lt(1)]).default([0.9, 0.95]),
  maximumGradientNorm: positive.nullable().default(null),
  /** Tokens; a longer example is left out whole, because its end is its verdict. */
  maximumLength: count.default(4096),
  precision: z.enum(['float32', 'bfloat16']).default('bfloat16'),
  checkpointEverySteps: count.default(500),
  keepCheckpoints: count.default(2),
};

/** The defaults are the released code's. */
const dpoHyperparameters = {
  ...hyperparameters,
  epochs: positive.default(5),
  maximumSteps: count.nullable().default(3000),
  gradientAccumulation: count.default(4),
  learningRate: positive.default(5.5e-8),
  finalLearningRateRatio: notNegative.default(20),
  warmupSteps: z.int().nonnegative().default(0),
  maximumGradientNorm: positive.nullable().default(1),
  maximumLength: count.default(2048),
  checkpointEverySteps: count.default(100),
  /** How strongly the reference holds the policy back; log-probabilities are summed over a judgment. */
  beta: positive.default(0.1),
  /** Weight of the chosen judgment's negative log-likelihood per token, beside the preference loss. */
  nllWeight: notNegative.default(1.5),
};

/** `seed`: from M_0. `previous`: from the judge of the iteration before; in the first iteration that is M_0 too. */
const startFrom = z.enum(['seed', 'previous']);

const risingRate = {
  path: ['finalLearningRateRatio'],
  error: 'a rate that rises (above 1) needs the schedule "cosine"',
};
const fallsOrIsCosine = (fields: { schedule: string; finalLearningRateRatio: number }) =>
  fields.schedule === 'cosine' || fields.finalLearningRateRatio <= 1;

const round = z.discriminatedUnion('method', [
  z.strictObject({
    /** Learns the kept judgments. */
    method: z.literal('sft'),
    startFrom: startFrom.default('seed'),
    hyperparameters: z.strictObject(hyperparameters).refine(fallsOrIsCosine, risingRate).prefault({}),
  }),
  z.strictObject({
    /** Learns to prefer right judgments to wrong ones; the reference is the checkpoint that it starts from. */
    method: z.literal('dpo'),
    startFrom: startFrom.default('previous'),
    /**
     * When a judgment is right: `single-order`, when it agrees with the construction; `both-orders`, when the sample
     * of the same number in the other order does too (src/judge/rightness.ts).
     */
    rightness: z.enum(['single-order', 'both-orders']).default('single-order'),
    /** At most this many pairs of a right and a wrong judgment of one example (released code: `num_pairs`). */
    preferencePairsPerExample: count.default(1),
    hyperparameters: z.strictObject(dpoHyperparameters).refine(fallsOrIsCosine, risingRate).prefault({}),
  }),
]);

const adapter = z.discriminatedUnion('kind', [
  /** All weights are trained. */
  z.strictObject({ kind: z.literal('none') }),
  z.strictObject({
    kind: z.literal('lora'),
    rank: count.default(16),
    /** The adapter's output counts alpha / rank times. */
    alpha: positive.default(32),
    dropout: share.lt(1).default(0),
    /** The layers that get an adapter: all linear ones, or those of these names. */
    targetModules: z
      .union([z.literal('all-linear'), z.array(z.string().min(1)).min(1)])
      .default('all-linear'),
    /** Keep the adapter by itself beside the full weights that it was merged into. */
    keep: z.boolean().default(false),
  }),
]);

const tracker = z.enum(['tensorboard', 'wandb', 'mlflow']);

export const fineTuning = z.strictObject({
  /** How each iteration is fine-tuned: the first one by the first round, and so on; the last round repeats. */
  rounds: z
    .array(round)
    .min(1)
    .prefault([{ method: 'sft' }]),
  adapter: adapter.default({ kind: 'none' }),
  launcher: z
    .strictObject({
      kind: z.literal('process'),
      /** `{python}` and `{job}` are filled in. */
      command: z.array(z.string().min(1)).min(1),
    })
    .default({ kind: 'process', command: ['{python}', '-m', 'trainer', '--job', '{job}'] }),
  /** CPU threads of the trainer; null leaves it to PyTorch. */
  threads: count.nullable().default(null),
  /**
   * Where a training is reported beside its own progress: TensorBoard's files in the run's folder, Weights & Biases,
   * MLflow (docs/operations.md). Keys and servers come from the worker's environment.
   */
  reportTo: z.array(tracker).default(['tensorboard']),
  /** Allow code that comes with the checkpoint to run. */
  trustRemoteCode: z.boolean().default(false),
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
