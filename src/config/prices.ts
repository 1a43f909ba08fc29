/** The prices of a run's models, for the costs in the report and a budget in USD. */
import { z } from 'zod';
import { positiveInteger } from '../platform/schema-fields.ts';

const dollars = z.number().nonnegative();

const tokenPrice = z.strictObject({
  prompt: dollars.describe('USD for a million tokens of prompts.'),
  completion: dollars.describe('USD for a million tokens of completions.'),
});

export const pricesSchema = z.strictObject({
  tokens: z
    .strictObject({
      seed: tokenPrice
        .optional()
        .describe('The price of the seed model, and of every judge that is trained from it.'),
      generator: tokenPrice.optional().describe('The price of the generator.'),
      firstJudge: tokenPrice.optional().describe('The price of the first judge.'),
    })
    .prefault({})
    .describe(
      'The prices of tokens, by the role of the model. A stage whose model has such a price costs its tokens.',
    ),
  gpuHour: dollars
    .optional()
    .describe(
      'USD for an hour of one GPU: for fine-tuning, and for stages whose model has no price for tokens.',
    ),
  gpus: positiveInteger.default(1).describe('The number of GPUs that are paid for during such a stage.'),
});

export type Prices = z.output<typeof pricesSchema>;
