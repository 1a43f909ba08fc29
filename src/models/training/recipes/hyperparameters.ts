/** The fields of a round that every recipe has. */
import { z } from 'zod';
import { fraction, nonNegative, positiveInteger, positiveNumber } from '../../../platform/schema-fields.ts';

interface Defaults {
  readonly epochs: number;
  readonly maxSteps: number | null;
  readonly gradientAccumulationSteps: number;
  readonly learningRate: number;
  readonly minLrRatio: number;
  readonly warmupSteps: number;
  readonly maxGradNorm: number | null;
  readonly maxLength: number;
  readonly saveSteps: number;
}

/** The hyperparameters of every recipe, with the recipe's defaults. */
export const hyperparameters = (defaults: Defaults) => ({
  epochs: positiveNumber.default(defaults.epochs).describe('Passes over the training set.'),
  maxSteps: positiveInteger
    .nullable()
    .default(defaults.maxSteps)
    .describe('The number of steps; null trains until the last epoch ends.'),
  perDeviceBatchSize: positiveInteger.default(1).describe('Examples in a forward pass on one device.'),
  gradientAccumulationSteps: positiveInteger
    .default(defaults.gradientAccumulationSteps)
    .describe('Forward passes whose gradients make one step.'),
  learningRate: positiveNumber
    .default(defaults.learningRate)
    .describe('The learning rate after the warm-up.'),
  lrScheduler: z
    .enum(['cosine', 'linear', 'constant'])
    .default('cosine')
    .describe('How the learning rate changes after the warm-up.'),
  minLrRatio: nonNegative
    .default(defaults.minLrRatio)
    .describe(
      'The final learning rate as a multiple of `learningRate`; above 1 (cosine only) the rate rises.',
    ),
  warmupSteps: z
    .int()
    .nonnegative()
    .default(defaults.warmupSteps)
    .describe('Steps in which the learning rate rises from 0.'),
  weightDecay: nonNegative.default(0.1).describe('The weight decay of AdamW.'),
  adamBetas: z
    .tuple([fraction.lt(1), fraction.lt(1)])
    .default([0.9, 0.95])
    .describe('The decay rates of the running means of AdamW.'),
  maxGradNorm: positiveNumber
    .nullable()
    .default(defaults.maxGradNorm)
    .describe('Gradients are clipped to this norm; null means no clipping.'),
  maxLength: positiveInteger
    .default(defaults.maxLength)
    .describe('Tokens; a longer example is left out, because its verdict comes last.'),
  precision: z
    .enum(['float32', 'bfloat16'])
    .default('bfloat16')
    .describe('The type of the numbers that training computes with.'),
  saveSteps: positiveInteger
    .default(defaults.saveSteps)
    .describe('Steps between two checkpoints: the most that a crash costs.'),
  saveTotalLimit: positiveInteger
    .default(2)
    .describe('The number of checkpoints that are kept during a training, the newest ones.'),
});

export const selectCheckpointSchema = z
  .strictObject({
    everySteps: positiveInteger.describe(
      'The model is saved after every such step, and after the last one. Independent of `saveSteps`, whose checkpoints only serve to resume.',
    ),
  })
  .describe(
    'Saves models during the training, serves and validates them in turn after it, and makes the best one, of equal ones the ' +
      'earliest, the judge. `modelSelection` names the figure. Without it the judge is the model of the last step.',
  )
  .optional();

export const judgmentsSchema = z
  .literal('reuse')
  .describe(
    '`reuse`: trains on the judgments of the iteration before, instead of new ones by its judge: the same pairs are not judged again. ' +
      "EvalPlanner's first round of DPO does so.",
  )
  .optional();

export const initFromSchema = z.enum(['seed', 'previous']);
export const INIT_FROM_DESCRIPTION =
  '`seed`: starts from M_0. `previous`: starts from the judge of the previous iteration; in the first iteration that is M_0 too.';

export const risingRateError = {
  path: ['minLrRatio'],
  error: 'a rate that rises (above 1) needs lrScheduler "cosine"',
};
export const isScheduleValid = (fields: { lrScheduler: string; minLrRatio: number }) =>
  fields.lrScheduler === 'cosine' || fields.minLrRatio <= 1;

/** The hyperparameters that every recipe has. */
export type Hyperparameters = z.output<z.ZodObject<ReturnType<typeof hyperparameters>>>;
