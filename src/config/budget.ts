/** The limits of a run. The run pauses when it reaches one of them. */
import { z } from 'zod';
import { positiveInteger, positiveNumber } from '../platform/schema-fields.ts';

export const budgetSchema = z.strictObject({
  tokens: positiveInteger.optional().describe('Tokens of prompts and answers together.'),
  requests: positiveInteger
    .optional()
    .describe('Requests sent to models, including those that were rejected or sent again.'),
  usd: positiveNumber
    .optional()
    .describe(
      'USD by `prices`: tokens by the price of their model, which each model needs, and the GPU hours of fine-tuning ' +
        'by `gpuHour`. The time of model servers is not counted.',
    ),
  gpuHours: positiveNumber
    .optional()
    .describe(
      'Hours of fine-tuning times `prices.gpus` (1 by default): from the start of each trainer to its end, including loading and work that ' +
        'was lost. The time of model servers is not counted.',
    ),
});
