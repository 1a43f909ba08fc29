/** What was spent, as it is written down: by the role of the model that was asked, because prices go by it. */
import { z } from 'zod';
import { MODEL_ROLES, type ModelRole } from '../activities/types.ts';
import type { Prices } from '../config/prices.ts';
import type { Amounts } from '../format/amounts.ts';

const count = z.number().nonnegative();
const spent = z.object({ requests: count, promptTokens: count, completionTokens: count });

export const accountSchema = z.object({
  models: z.object({ seed: spent, generator: spent, firstJudge: spent }),
  /** Seconds that each start of a trainer has worked so far, by its token. */
  trainers: z.record(z.string(), count),
});
export type Account = z.infer<typeof accountSchema>;
/** What was spent on one model. */
export type Spent = z.infer<typeof spent>;

export function emptyAccount(): Account {
  const nothing = (): Spent => ({ requests: 0, promptTokens: 0, completionTokens: 0 });
  return { models: { seed: nothing(), generator: nothing(), firstJudge: nothing() }, trainers: {} };
}

export function spend(
  { models }: Account,
  role: ModelRole,
  { requests, promptTokens, completionTokens }: Spent,
): void {
  models[role].requests += requests;
  models[role].promptTokens += promptTokens;
  models[role].completionTokens += completionTokens;
}

/** Several workers may have followed one trainer: it has worked as long as the last of them saw. */
export function noteTrainer({ trainers }: Account, token: string, seconds: number): void {
  trainers[token] = Math.max(trainers[token] ?? 0, seconds);
}

/** All of them together. */
export function sumAccounts(accounts: readonly Account[]): Account {
  const sum = emptyAccount();
  for (const { models, trainers } of accounts) {
    for (const role of MODEL_ROLES) spend(sum, role, models[role]);
    for (const [token, seconds] of Object.entries(trainers)) noteTrainer(sum, token, seconds);
  }
  return sum;
}

/** What it comes to. What has no price costs nothing. */
export function amountsOf({ models, trainers }: Account, prices: Prices | undefined): Amounts {
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
