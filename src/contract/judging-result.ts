/** What judging a file of pairs comes to: the result of the workflow `judgePairs`, and what the command `judge` sums up. */
import { z } from 'zod';
import type { Immutable } from './immutable.ts';
import { artifactReference, judgedModel } from './result.ts';

const share = z.number().min(0).max(1);
const whole = z.int().nonnegative();

export const judgingFiguresSchema = z.object({
  pairs: whole.describe('How many were judged.'),
  verdicts: z
    .object({
      A: whole.describe('The first response is better.'),
      B: whole.describe('The second response is better.'),
      tie: whole.describe('Neither is, or the votes are drawn.'),
      none: whole.describe('No judgment has a verdict.'),
    })
    .describe('How many pairs have which verdict.'),
  failed: whole.describe('Pairs that the endpoint refused for good; they are among those without a verdict.'),
  known: whole.describe('Pairs whose better side the file says.'),
  accuracy: share
    .nullable()
    .describe('The share of those whose verdict is that side; null where there are none.'),
  accuracyInterval: z
    .object({ low: share.describe('The lower bound.'), high: share.describe('The upper bound.') })
    .nullable()
    .describe("95%, by Wilson's score (1927), over pairs."),
  orderAccuracy: share
    .nullable()
    .describe(
      'The share of their orders, each by itself, whose verdict is that side: what benchmarks call accuracy.',
    ),
  positionConsistency: share
    .nullable()
    .describe(
      'Of the pairs with a verdict in both orders the share with the same one; null where there are none.',
    ),
  judgments: whole.describe('All votes of all orders.'),
  withoutVerdict: whole.describe('The judgments among them without a verdict.'),
  calls: whole.describe(
    'Requests that the endpoint answered; of the workflow those that were needed, one for each order.',
  ),
  tokens: z
    .object({
      prompt: z.number().nonnegative().describe('Tokens of the prompts.'),
      completion: z.number().nonnegative().describe('Tokens of the judgments.'),
    })
    .describe('That the judgments took.'),
});

export const judgingResultSchema = z.object({
  runName: z.string().describe('As it was started.'),
  model: judgedModel.describe('The judge.'),
  judge: z
    .object({
      run: z.string().describe('The run that made it.'),
      iteration: whole.describe('i of M_i.'),
    })
    .describe('What its judge.json says it is.'),
  figures: judgingFiguresSchema.describe('What the verdicts come to.'),
  verdicts: artifactReference.describe('A line for each pair, in the order of the file.'),
  setAside: whole.describe('Rows of the file that hold no pair.'),
  seconds: z.number().nonnegative().describe('That the judging took.'),
  warnings: z.array(z.string()).describe('What a reader of the figures should know.'),
});

export type JudgingFigures = Immutable<z.output<typeof judgingFiguresSchema>>;
/** What judging a file of pairs comes to. */
export type JudgingResult = Immutable<z.output<typeof judgingResultSchema>>;
