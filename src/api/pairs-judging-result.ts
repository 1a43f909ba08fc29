/** The result of judging a file of pairs: of the workflow `judgePairs`, and the summary of the command `judge`. */
import { z } from 'zod';
import type { DeepReadonly } from '../platform/deep-readonly.ts';
import { artifactReference, judgedModel } from './result.ts';

const share = z.number().min(0).max(1);
const count = z.int().nonnegative();

export const pairsJudgingFiguresSchema = z.object({
  pairs: count.describe('The number of judged pairs.'),
  verdicts: z
    .object({
      A: count.describe('The first response is better.'),
      B: count.describe('The second response is better.'),
      tie: count.describe('Neither response is better, or two verdicts have the same number of votes.'),
      none: count.describe('No judgment has a verdict.'),
    })
    .describe('The number of pairs with each verdict.'),
  failed: count.describe('Pairs that the endpoint rejected; they are counted as pairs without a verdict.'),
  labelledPairs: count.describe('Pairs whose better side the file gives.'),
  accuracy: share
    .nullable()
    .describe('The share of these pairs whose verdict is the better side; null if there are none.'),
  accuracyInterval: z
    .object({ low: share.describe('The lower bound.'), high: share.describe('The upper bound.') })
    .nullable()
    .describe(
      "The 95% interval by Wilson's score (1927), which counts pairs with the same prompt by their effective number.",
    ),
  orderAccuracy: share
    .nullable()
    .describe(
      'The share of their orders, each by itself, whose verdict is that side: what benchmarks call accuracy.',
    ),
  positionConsistency: share
    .nullable()
    .describe(
      'The share with the same verdict in both orders, among pairs with a verdict in both; null if there are none.',
    ),
  judgments: count.describe('The number of judgments: all votes of all orders.'),
  unparsableJudgments: count.describe('The number of judgments without a verdict.'),
  withoutVerdict: z
    .record(z.string(), count)
    .describe(
      'These judgments by reason; `almost: [[a]]` and similar name a form that is nearly a verdict, but not taken as one.',
    )
    .exactOptional(),
  direct: z
    .object({
      pairs: count.describe(
        'Pairs whose direct verdict counts: the judge was sure enough of it in both orders.',
      ),
      accuracy: share
        .nullable()
        .describe('The share of correct verdicts among those with a label; null if there are none.'),
      withoutLetter: count.describe(
        'Pairs on which the judge, asked for its verdict alone, named no response in at least one order.',
      ),
      tokens: count.describe('Tokens of all direct answers, also of those that did not count.'),
      savedTokens: z
        .number()
        .nullable()
        .describe(
          'An estimate of the tokens of judgments that were saved: if the other pairs, which were judged with reasoning, are like these. ' +
            'Below 0 if more were spent than saved; null if no pair was judged with reasoning.',
        ),
    })
    .describe('Set if the judge was asked for direct verdicts.')
    .exactOptional(),
  requests: count.describe(
    'Requests that the endpoint answered; for the workflow, the number that is needed, one for each order.',
  ),
  tokens: z
    .object({
      prompt: z.number().nonnegative().describe('Tokens of the prompts.'),
      completion: z.number().nonnegative().describe('Tokens of the judgments.'),
    })
    .describe('The tokens of the judgments.'),
});

export const pairsJudgingResultSchema = z.object({
  runName: z.string().describe('The name of the judging.'),
  model: judgedModel.describe('The judge.'),
  judge: z
    .object({
      run: z.string().describe('The run that made the judge.'),
      iteration: count.describe('The iteration i of the judge M_i.'),
    })
    .describe('The origin of the judge, from its judge.json.'),
  figures: pairsJudgingFiguresSchema.describe('The figures of the verdicts.'),
  verdicts: artifactReference.describe('The artifact with a line for each pair, in the order of the file.'),
  skipped: count.describe('Rows of the file without a pair.'),
  seconds: z.number().nonnegative().describe('The elapsed time of the judging.'),
  warnings: z.array(z.string()).describe('Warnings for readers of the figures.'),
});

export type PairsJudgingFigures = DeepReadonly<z.output<typeof pairsJudgingFiguresSchema>>;
/** The result of judging a file of pairs. */
export type PairsJudgingResult = DeepReadonly<z.output<typeof pairsJudgingResultSchema>>;
