/** Rates, in tokens a second. Without them an estimate has no time. */
import { z } from 'zod';
import type { EstimatedStage, RunEstimate } from '../api/estimate.ts';

const perSecond = z.number().positive();

/** The content of the file for `--rates`. */
const ratesSchema = z.strictObject({
  tokensPerSecond: perSecond
    .describe('Tokens of prompts and answers a second, over all requests in flight.')
    .optional(),
  stages: z
    .strictObject({
      categorizeInstructions: perSecond.optional(),
      generatePairs: perSecond.optional(),
      judgePairs: perSecond.optional(),
      evaluateJudge: perSecond.optional(),
    })
    .describe('The same for single stages, if they differ.')
    .default({}),
  trainingTokensPerSecond: perSecond
    .describe('Tokens that the trainer processes a second, on all GPUs together.')
    .optional(),
});

type RatesFile = z.output<typeof ratesSchema>;
export type ModelStage = keyof RatesFile['stages'];

/** The known rates. A stage that neither sends requests nor trains has none. */
export type Rates = Readonly<Partial<Record<EstimatedStage['stage'], RunEstimate['rates'][string]>>>;

const MODEL_STAGES = Object.keys(ratesSchema.shape.stages.unwrap().shape) as ModelStage[];

/** Applies the general rate of a file to each stage without its own. */
export function expandRates({
  tokensPerSecond: all,
  stages,
  trainingTokensPerSecond: training,
}: RatesFile): Rates {
  const rateOf = (tokensPerSecond: number | undefined) =>
    tokensPerSecond === undefined ? undefined : ({ tokensPerSecond, from: 'option' } as const);
  const named = [
    ...MODEL_STAGES.map((stage) => [stage, rateOf(stages[stage] ?? all)]),
    ['fineTune', rateOf(training)],
  ];
  return Object.fromEntries(named.filter(([, rate]) => rate !== undefined)) as Rates;
}

/** @throws Error that names the file and the invalid fields */
export function parseRates(file: string, content: unknown): Rates {
  const { success, data, error } = ratesSchema.safeParse(content);
  if (success) return expandRates(data);
  throw new Error(`${file}: ${z.prettifyError(error).replaceAll(/\s+/g, ' ')}`);
}
