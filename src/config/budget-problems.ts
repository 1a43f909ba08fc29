import type { Problem } from '../platform/problem.ts';
import type { Configuration, PartialConfiguration } from './run-configuration.ts';

/** The missing prices of a budget in USD: those of every model that receives requests. */
export function missingPrices({ models, prices }: Pick<Configuration, 'models' | 'prices'>): string[] {
  const roles = ['seed', 'generator', 'firstJudge'] as const;
  return roles
    .filter((role) => models[role] !== undefined && prices?.tokens[role] === undefined)
    .map((role) => `prices.tokens.${role}`);
}

/** Reports the prices that a budget in USD lacks. */
export function budgetProblems({ budget: limits, models, prices }: PartialConfiguration): Problem[] {
  if (limits?.usd === undefined || models === undefined) return [];
  const message = `missing: budget.usd is ${limits.usd}, which needs the price of this model; 0 if it costs nothing`;
  return missingPrices({ models, prices }).map((path) => ({ path, message }));
}
