/** What a run is charged: for the report's costs and a budget in USD. */
import { z } from 'zod';
import { count } from './fields.ts';

const dollars = z.number().nonnegative();

const tokenPrice = z.strictObject({
  prompt: dollars.describe('USD for a million tokens of prompts.'),
  completion: dollars.describe('USD for a million tokens of completions.'),
});

export const prices = z.strictObject({
  tokens: z
    .strictObject({
      seed: tokenPrice.optional().describe('Of the seed model, and of every judge that is trained from it.'),
      generator: tokenPrice.optional().describe('Of the generator.'),
      firstJudge: tokenPrice.optional().describe('Of the first judge.'),
    })
    .prefault({})
    .describe('By the role of the model. A stage whose model has such a price costs its tokens.'),
  gpuHour: dollars
    .optional()
    .describe(
      'USD for an hour of one GPU: what fine-tuning costs, and any stage whose model has no price for tokens.',
    ),
  gpus: count.default(1).describe('GPUs that are paid for while such a stage lasts.'),
});

export type Prices = z.output<typeof prices>;
