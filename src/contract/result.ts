/**
 * What a run and an evaluation come to: `result.json` in the store, the workflow's result, and what clients read. The
 * types and the JSON Schemas of schema/ follow from here. Readers meet fields that they don't know, of newer workers,
 * and leave them alone.
 */
import { z } from 'zod';
import type { Immutable } from './immutable.ts';

const share = z.number().min(0).max(1);
const whole = z.int().nonnegative();
const notNegative = z.number().nonnegative();

export const countsSchema = z.record(z.string(), z.number());

export const artifactReference = z.object({
  uri: z.string().describe('Where the artifact is, relative to the store.'),
  sha256: z.string().describe('Of the records file, as hexadecimal digits.'),
  records: whole.describe('How many records it has.'),
  bytes: whole.describe('The size of the records file.'),
});

export const judgedModel = z.object({
  checkpoint: z
    .string()
    .describe('As the configuration names it; `store:` begins one that a run of this store has trained.'),
  sha256: z.string().describe('The hash of its content, as hexadecimal digits.'),
});

const evaluationSummary = z.object({
  benchmark: z.string().describe('The name in the configuration.'),
  purpose: z.enum(['validation', 'test']).describe('As in the configuration.'),
  accuracy: share.describe('Mean of both orders; a judgment without a verdict is wrong.'),
  positionConsistentAccuracy: share.describe('Right in both orders.'),
  shareOfA: share.nullable().describe('Among judgments with a verdict; null where none has one.'),
  unparsable: share.describe('The share of judgments without a verdict.'),
  pairs: whole.describe('How many pairs were judged.'),
  official: z
    .object({
      name: z.string().describe('What the figure is.'),
      value: z.number().nullable().describe('Null where the file has nothing to compute it from.'),
    })
    .describe("The figure by the benchmark's published rule that is quoted first.")
    .exactOptional(),
  tokens: z
    .object({
      prompt: notNegative.describe('Tokens of the prompts.'),
      completion: notNegative.describe('Tokens of the answers.'),
    })
    .describe('That the judgments took.')
    .exactOptional(),
  requests: whole.describe('Requests to the judge that were answered.').exactOptional(),
  scores: artifactReference.describe('All figures, by subset.'),
});

export const iterationSummarySchema = z.object({
  iteration: whole.describe('0 is the seed model.'),
  model: judgedModel.describe('The judge of this iteration.'),
  evaluations: z.array(evaluationSummary).describe('One for each benchmark.'),
  trainingExamples: whole.describe('Not there for the seed model.').exactOptional(),
  training: z
    .object({
      meanLoss: z.number().describe('Of all steps.'),
      seconds: notNegative.describe('That the trainer worked.'),
    })
    .describe('Not there for the seed model.')
    .exactOptional(),
  counts: z
    .record(z.string(), countsSchema)
    .describe('From instructions to training examples, and requests and tokens spent, by stage.'),
  seconds: z.record(z.string(), z.number()).describe('Of each stage, as the clock went.'),
});

const runName = z.string().describe('As in the configuration.');
const warnings = z.array(z.string()).describe('What a reader of the figures should know.');
const report = z.string().describe('Where the report is, relative to the store.');

const pushedRepository = z.object({
  type: z.enum(['model', 'dataset']).describe('What of the run it holds.'),
  name: z.string().describe('`owner/name`.'),
  revision: z.string().describe('The branch that was pushed to.'),
  commit: z.string().describe('What the branch stands for since.'),
});

const published = z.discriminatedUnion('kind', [
  z
    .object({
      kind: z.literal('pushed').describe('Everything that was asked for stands on the hub.'),
      repositories: z.array(pushedRepository).describe('Where.'),
    })
    .describe('Pushed.'),
  z
    .object({
      kind: z.literal('failed').describe('Nothing, or not everything, stands on the hub.'),
      reason: z.string().describe('Why.'),
    })
    .describe('Not pushed.'),
]);

export const runResultSchema = z.object({
  runName,
  iterations: z.array(iterationSummarySchema).describe('One row for each judge, the seed model first.'),
  best: whole.describe('The iteration with the best figure of those that the configuration chooses by.'),
  report,
  stoppedEarly: z.boolean().describe('Whether it ended before the iterations that were asked for.'),
  warnings,
  published: published
    .describe('What became of the push to the hub, where one was asked for; left out before it has ended.')
    .exactOptional(),
});

export const judgeEvaluationResultSchema = z.object({
  runName,
  model: judgedModel.describe('The judge.'),
  evaluations: z.array(evaluationSummary).describe('One for each benchmark.'),
  counts: z.record(z.string(), countsSchema).describe('By benchmark.'),
  seconds: notNegative.describe('That the evaluation took.'),
  warnings,
  table: z.string().describe('The figures as a Markdown table.'),
  report,
});

/** The figures of a judge on one benchmark. Shares are between 0 and 1. */
export type EvaluationSummary = Immutable<z.output<typeof evaluationSummary>>;
/** One row of the run's table: a judge and how it came about. */
export type IterationSummary = Immutable<z.output<typeof iterationSummarySchema>>;
/** What of a run stands on the hub, or why nothing does. */
export type Published = Immutable<z.output<typeof published>>;
export type PushedRepository = Immutable<z.output<typeof pushedRepository>>;
/** What a run comes to. */
export type RunResult = Immutable<z.output<typeof runResultSchema>>;
/** What an evaluation without training comes to. */
export type JudgeEvaluationResult = Immutable<z.output<typeof judgeEvaluationResultSchema>>;
