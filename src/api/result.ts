/**
 * The results of a run and of an evaluation: `result.json` in the store, and the result of the workflow. The types and
 * the JSON Schemas of schema/ are derived from it. Readers ignore unknown fields, which newer workers may write.
 */
import { z } from 'zod';
import type { DeepReadonly } from '../platform/deep-readonly.ts';
import { driftResultSchema } from './drift.ts';

const share = z.number().min(0).max(1);
const count = z.int().nonnegative();
const notNegative = z.number().nonnegative();

const intervalSchema = z.object({
  low: z.number().describe('The lower bound.'),
  high: z.number().describe('The upper bound.'),
});

export const countsSchema = z.record(z.string(), z.number());

export const artifactReference = z.object({
  uri: z.string().describe('The path of the artifact, relative to the store.'),
  sha256: z.string().describe('The SHA-256 hash of the records file, in hexadecimal digits.'),
  records: count.describe('The number of records.'),
  bytes: count.describe('The size of the records file.'),
});

export const judgedModel = z.object({
  checkpoint: z
    .string()
    .describe(
      'The checkpoint in the configuration, or, for a judge trained by a run of this store, its path with the prefix `store:`.',
    ),
  sha256: z.string().describe('The hash of its content, in hexadecimal digits.'),
});

const evaluationSummarySchema = z.object({
  benchmark: z.string().describe('The name in the configuration.'),
  purpose: z.enum(['validation', 'test']).describe('The purpose in the configuration.'),
  accuracy: share.describe(
    'The share of correct verdicts, as the mean of both orders; a judgment without a verdict is incorrect.',
  ),
  positionConsistentAccuracy: share.describe('The share of pairs with a correct verdict in both orders.'),
  shareOfA: share
    .nullable()
    .describe('The share of verdicts for A among judgments with a verdict; null if there are none.'),
  unparsable: share.describe('The share of judgments without a verdict.'),
  withoutVerdict: z
    .record(z.string(), count)
    .describe(
      'Number of judgments without a verdict by reason; `almost: [[a]]` and similar name a form that is nearly a verdict, but not taken as one.',
    )
    .exactOptional(),
  pairs: count.describe('The number of judged pairs.'),
  official: z
    .object({
      name: z.string().describe('The name of the figure.'),
      value: z.number().nullable().describe('The value; null if the file has no data for it.'),
      interval: intervalSchema.describe('The 95% interval; absent if there is no value.').exactOptional(),
      decimals: count
        .describe('The decimals with which it is published in percent; 1 by default.')
        .exactOptional(),
    })
    .describe("The main figure by the benchmark's published rule.")
    .exactOptional(),
  agreement: z
    .object({
      pairs: count.describe('The number of pairs on which most people agree.'),
      raters: count.describe('The number of raters.'),
      accuracy: share.describe('The share of these pairs whose verdict is the label that most people give.'),
      accuracyInterval: intervalSchema.describe('The 95% interval.'),
      kappa: z
        .number()
        .nullable()
        .describe("Cohen's kappa with that label; null if all labels are the same."),
      kappaInterval: intervalSchema.nullable().describe('The 95% interval.'),
    })
    .describe('The agreement with the people who labelled the pairs; absent if nobody did.')
    .exactOptional(),
  calibration: z
    .object({
      verdicts: count.describe('The number of verdicts whose letter has a probability.'),
      withoutProbability: count.describe(
        'The number of judgments that name no response, or whose letter has none.',
      ),
      brierScore: share
        .nullable()
        .describe('The mean squared distance of probability and correctness; null without verdicts.'),
      expectedCalibrationError: share
        .nullable()
        .describe(
          'The mean distance of probability and share of correct verdicts, over ten ranges of probability.',
        ),
      temperature: z
        .number()
        .positive()
        .describe(
          'The number by which the log-odds are divided, fitted on the validation benchmarks of the run; absent if there is none.',
        )
        .exactOptional(),
      notFitted: z.string().describe('Why there is no temperature.').exactOptional(),
      calibratedBrierScore: share.describe('The Brier score at the temperature.').exactOptional(),
      calibratedExpectedCalibrationError: share
        .describe('The calibration error at the temperature.')
        .exactOptional(),
    })
    .describe(
      'How well the probabilities of the verdicts agree with how often they are correct; absent unless `probabilities` asks for it.',
    )
    .exactOptional(),
  tokens: z
    .object({
      prompt: notNegative.describe('Tokens of the prompts.'),
      completion: notNegative.describe('Tokens of the answers.'),
    })
    .describe('The tokens of the judgments.')
    .exactOptional(),
  requests: count.describe('The number of answered requests to the judge.').exactOptional(),
  scores: artifactReference.describe('The artifact with all figures, by subset.'),
});

export const iterationSummarySchema = z.object({
  iteration: count.describe('The iteration; 0 is the seed model.'),
  model: judgedModel.describe('The judge of this iteration.'),
  evaluations: z.array(evaluationSummarySchema).describe('The figures for each benchmark.'),
  trainingExamples: count
    .describe('The number of training examples; absent for the seed model.')
    .exactOptional(),
  training: z
    .object({
      meanLoss: z.number().describe('The mean loss over all steps.'),
      seconds: notNegative.describe('The running time of the trainer.'),
      checkpoints: z
        .array(
          z.object({
            step: count.describe('The step after which it was saved.'),
            figure: share
              .describe('Its validation figure, by `modelSelection`; absent if it was the only one.')
              .exactOptional(),
            chosen: z.boolean().describe('True for the one that became the judge.'),
          }),
        )
        .describe('The checkpoints that validation chose among, if the round selects one.')
        .exactOptional(),
    })
    .describe('The training; absent for the seed model.')
    .exactOptional(),
  counts: z
    .record(z.string(), countsSchema)
    .describe('The counts of each stage: from instructions to training examples, and requests and tokens.'),
  seconds: z.record(z.string(), z.number()).describe('The elapsed time of each stage.'),
});

const runName = z.string().describe('The name in the configuration.');
const warnings = z.array(z.string()).describe('Warnings for readers of the figures.');
const report = z.string().describe('The path of the report, relative to the store.');

const pushedRepository = z.object({
  type: z.enum(['model', 'dataset']).describe('The kind of repository.'),
  name: z.string().describe('The repository, `owner/name`.'),
  revision: z.string().describe('The branch that was pushed to.'),
  commit: z.string().describe('The commit of the branch after the push.'),
});

const publishedSchema = z.discriminatedUnion('kind', [
  z
    .object({
      kind: z.literal('pushed').describe('Everything that was requested is on the hub.'),
      repositories: z.array(pushedRepository).describe('The repositories that were pushed to.'),
    })
    .describe('Pushed.'),
  z
    .object({
      kind: z.literal('failed').describe('Nothing, or not everything, is on the hub.'),
      reason: z.string().describe('The reason of the failure.'),
    })
    .describe('Not pushed.'),
]);

const copiedSchema = z.discriminatedUnion('kind', [
  z
    .object({
      kind: z.literal('copied').describe('Everything that the run has finished is there.'),
      to: z.string().describe('The address of the bucket and prefix.'),
      objects: count.describe(
        'The objects that were copied now; those of an earlier copy are not sent again.',
      ),
      bytes: count.describe('The bytes that were copied now.'),
    })
    .describe('Copied.'),
  z
    .object({
      kind: z.literal('failed').describe('Nothing, or not everything, is there.'),
      to: z.string().describe('The address of the bucket and prefix.'),
      reason: z.string().describe('The reason of the failure.'),
    })
    .describe('Not copied.'),
]);

export const runResultSchema = z.object({
  runName,
  iterations: z.array(iterationSummarySchema).describe('One row for each judge, the seed model first.'),
  best: count.describe('The iteration with the best figure, by `modelSelection`.'),
  report,
  stoppedEarly: z.boolean().describe('True if the run ended before the requested number of iterations.'),
  warnings,
  published: publishedSchema
    .describe('The result of the push to the hub, if one was requested; absent before it has ended.')
    .exactOptional(),
  copied: copiedSchema
    .describe('The result of the copy to a bucket, if one was requested; absent before it has ended.')
    .exactOptional(),
});

export const judgeEvaluationResultSchema = z.object({
  runName,
  model: judgedModel.describe('The judge.'),
  evaluations: z.array(evaluationSummarySchema).describe('The figures for each benchmark.'),
  counts: z.record(z.string(), countsSchema).describe('The counts of each benchmark.'),
  seconds: notNegative.describe('The elapsed time of the evaluation.'),
  warnings,
  table: z.string().describe('The figures as a Markdown table.'),
  drift: driftResultSchema
    .describe('The comparison with earlier figures, if the configuration asks for it.')
    .exactOptional(),
  report,
});

/** The figures of a judge on one benchmark. Shares are between 0 and 1. */
export type EvaluationSummary = DeepReadonly<z.output<typeof evaluationSummarySchema>>;
/** One row of the table of a run: a judge, and its training. */
export type IterationSummary = DeepReadonly<z.output<typeof iterationSummarySchema>>;
/** The result of the push to the hub. */
export type Published = DeepReadonly<z.output<typeof publishedSchema>>;
/** The result of the copy to a bucket. */
export type Copied = DeepReadonly<z.output<typeof copiedSchema>>;
export type PushedRepository = DeepReadonly<z.output<typeof pushedRepository>>;
/** The result of a run. */
export type RunResult = DeepReadonly<z.output<typeof runResultSchema>>;
/** The result of an evaluation without training. */
export type JudgeEvaluationResult = DeepReadonly<z.output<typeof judgeEvaluationResultSchema>>;
