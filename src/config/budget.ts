/** What a run may spend before it pauses. */
import { z } from 'zod';
import { count, positive } from './fields.ts';
import type { Problem } from './read-configuration.ts';
import type { Configuration } from './schema.ts';

export const budget = z.strictObject({
  tokens: count.optional().describe('Tokens of prompts and answers together.'),
  requests: count
    .optional()
    .describe('Requests sent to models, those that were refused or sent again among them.'),
  usd: positive
    .optional()
    .describe(
      'USD by `prices`: tokens by the price of the model that was asked, which each needs, and the GPU hours of fine-tuning ' +
        'by `gpuHour`. The time of model servers is not counted.',
    ),
  gpuHours: positive
    .optional()
    .describe(
      'Hours of fine-tuning times `prices.gpus`, 1 without: from the start of each trainer to its end, loading and work that ' +
        'was lost included. The time of model servers is not counted.',
    ),
});

/** The price of each model that is asked, where there is none for its tokens: what a limit in USD needs. */
export function missingPrices({ models, prices }: Pick<Configuration, 'models' | 'prices'>): string[] {
  const roles = ['seed', 'generator', 'firstJudge'] as const;
  return roles
    .filter((role) => models[role] !== undefined && prices?.tokens[role] === undefined)
    .map((role) => `prices.tokens.${role}`);
}

/** A limit in USD without the prices that it needs. */
export function budgetProblems({ budget: limits, models, prices }: Partial<Configuration>): Problem[] {
  if (limits?.usd === undefined || models === undefined) return [];
  const message = `missing: budget.usd is ${limits.usd}, and what this model costs must be known for it; 0 where it costs nothing`;
  return missingPrices({ models, prices }).map((path) => ({ path, message }));
}
