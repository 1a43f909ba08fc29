/** How fast a run works: without it a plan shows no time. */
import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import type { Origin } from './assumptions.ts';
import type { PlannedStage } from './plan-schema.ts';

const perSecond = z.number().positive();

/** What `--rates FILE` holds. */
export const ratesSchema = z.strictObject({
  tokensPerSecond: perSecond
    .describe(
      'Tokens of prompts and answers that the endpoints take in and give, all requests in flight together.',
    )
    .optional(),
  stages: z
    .strictObject({
      categorizeInstructions: perSecond.optional(),
      generatePairs: perSecond.optional(),
      judgePairs: perSecond.optional(),
      evaluateJudge: perSecond.optional(),
    })
    .describe('The same of single stages, where they differ.')
    .default({}),
  trainingTokensPerSecond: perSecond
    .describe('Tokens that the trainer works through, all GPUs together.')
    .optional(),
});

export type GivenRates = z.output<typeof ratesSchema>;
export type AskingStage = keyof GivenRates['stages'];

/** A rate in tokens a second, and where it comes from. */
export interface Rate {
  readonly tokensPerSecond: number;
  readonly from: Origin;
}

/** By stage; a stage that isn't there has no known rate. */
export type Rates = Readonly<Partial<Record<AskingStage | 'fineTune', Rate>>>;

/** Of a stage; undefined where none is known, or where the stage neither asks a model nor trains one. */
export function rateOf(rates: Rates, stage: PlannedStage['stage']): Rate | undefined {
  return stage === 'preparePairs' ? undefined : rates[stage];
}

export const ASKING_STAGES = Object.keys(ratesSchema.shape.stages.unwrap().shape) as AskingStage[];

/** The rates of a file's content, as they hold for each stage. */
export function ratesFrom({
  tokensPerSecond: all,
  stages,
  trainingTokensPerSecond: training,
}: GivenRates): Rates {
  const given = (tokensPerSecond: number | undefined) =>
    tokensPerSecond === undefined ? undefined : ({ tokensPerSecond, from: 'given' } as const);
  const named = [
    ...ASKING_STAGES.map((stage) => [stage, given(stages[stage] ?? all)]),
    ['fineTune', given(training)],
  ];
  return Object.fromEntries(named.filter(([, rate]) => rate !== undefined)) as Rates;
}

/** @throws Error that says what is wrong with the file */
export async function readRates(file: string): Promise<Rates> {
  const text = await readFile(file, 'utf8').catch((error: unknown) => {
    const { code } = error as NodeJS.ErrnoException;
    throw new Error(code === 'ENOENT' ? `no such file: ${file}` : `${file} can't be read (${code})`);
  });
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch (error) {
    throw new Error(`${file} is not JSON: ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
    });
  }
  const parsed = ratesSchema.safeParse(content);
  if (parsed.success) return ratesFrom(parsed.data);
  throw new Error(`${file}: ${z.prettifyError(parsed.error).replaceAll(/\s+/g, ' ')}`);
}
