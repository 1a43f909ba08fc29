/** The recorded usage by the role of the model, because prices are set by role. */
import { z } from 'zod';
import { MODEL_ROLES, type ModelRole } from '../../config/model-roles.ts';
import type { Prices } from '../../config/prices.ts';
import type { Usage } from '../../api/budget.ts';

const count = z.number().nonnegative();
const roleUsageSchema = z.object({ requests: count, promptTokens: count, completionTokens: count });

export const usageTotalsSchema = z.object({
  models: z.object({ seed: roleUsageSchema, generator: roleUsageSchema, firstJudge: roleUsageSchema }),
  /** The seconds that each start of a trainer has run so far, by its token. */
  trainers: z.record(z.string(), count),
});
export type UsageTotals = z.infer<typeof usageTotalsSchema>;
/** The usage of one model. */
export type RoleUsage = z.infer<typeof roleUsageSchema>;

export function emptyUsageTotals(): UsageTotals {
  const nothing = (): RoleUsage => ({ requests: 0, promptTokens: 0, completionTokens: 0 });
  return { models: { seed: nothing(), generator: nothing(), firstJudge: nothing() }, trainers: {} };
}

export function addRoleUsage(
  { models }: UsageTotals,
  role: ModelRole,
  { requests, promptTokens, completionTokens }: RoleUsage,
): void {
  models[role].requests += requests;
  models[role].promptTokens += promptTokens;
  models[role].completionTokens += completionTokens;
}

/** Several workers may have followed one trainer, so the longest time that any of them observed counts. */
export function recordTrainerSeconds({ trainers }: UsageTotals, token: string, seconds: number): void {
  trainers[token] = Math.max(trainers[token] ?? 0, seconds);
}

/** The sum of several accounts. */
export function sumUsageTotals(accounts: readonly UsageTotals[]): UsageTotals {
  const sum = emptyUsageTotals();
  for (const { models, trainers } of accounts) {
    for (const role of MODEL_ROLES) addRoleUsage(sum, role, models[role]);
    for (const [token, seconds] of Object.entries(trainers)) recordTrainerSeconds(sum, token, seconds);
  }
  return sum;
}

/** What an account says that only grows and was read several times. */
export function largestUsageTotals(readings: readonly UsageTotals[]): UsageTotals {
  const largest = sumUsageTotals(readings.slice(0, 1));
  for (const { models, trainers } of readings.slice(1)) {
    for (const role of MODEL_ROLES)
      for (const unit of ['requests', 'promptTokens', 'completionTokens'] as const)
        largest.models[role][unit] = Math.max(largest.models[role][unit], models[role][unit]);
    for (const [token, seconds] of Object.entries(trainers)) recordTrainerSeconds(largest, token, seconds);
  }
  return largest;
}

/** The tokens, GPU hours and cost of the recorded usage. Usage without a price costs nothing. */
export function usageFromTotals({ models, trainers }: UsageTotals, prices: Prices | undefined): Usage {
  const all = MODEL_ROLES.map((role) => ({ ...models[role], price: prices?.tokens[role] }));
  const total = (of: (each: (typeof all)[number]) => number) => all.reduce((sum, each) => sum + of(each), 0);
  const seconds = Object.values(trainers).reduce((sum, each) => sum + each, 0);
  const gpuHours = (seconds / 3600) * (prices?.gpus ?? 1);
  const tokensUsd = total(
    ({ promptTokens, completionTokens, price }) =>
      (promptTokens * (price?.prompt ?? 0) + completionTokens * (price?.completion ?? 0)) / 1e6,
  );
  return {
    tokens: total(({ promptTokens, completionTokens }) => promptTokens + completionTokens),
    requests: total(({ requests }) => requests),
    usd: tokensUsd + gpuHours * (prices?.gpuHour ?? 0),
    gpuHours,
  };
}
