/** Response pairs: how they are made, judged, and turned into training examples. */
import { z } from 'zod';
import { PREFERENCE_FORMATS } from '../datasets/preference-formats/registry.ts';
import { decontaminationSchema } from './instructions.ts';
import {
  fraction,
  nonNegative,
  positiveInteger,
  positiveNumber,
  promptFolderPath,
} from '../platform/schema-fields.ts';
import { inputPath, samplingSchema } from './fields.ts';
import { limitsSchema } from './pair-limits.ts';
import { trainedTasksSchema } from './trained-tasks.ts';

const preferenceLayout = z
  .enum(['auto', ...PREFERENCE_FORMATS])
  .default('auto')
  .describe('The row format of the files (docs/own-data.md); `auto` recognises each file by its columns.');

const partsSchema = positiveInteger
  .default(1)
  .describe(
    'Into how many parts the pairs are divided. Each iteration judges and learns from another part, so that it sees pairs which no ' +
      'judge before has learned from (EvalPlanner, arXiv 2501.18099; FARE, arXiv 2510.17793); after the last one the first is used again.',
  );

const generatedPairsSchema = z
  .strictObject({
    kind: z
      .literal('generated')
      .describe('The models of the run make the pairs from its instructions.')
      .optional(),
    construction: z
      .enum(['similar-instruction', 'worse-response'])
      .default('similar-instruction')
      .describe(
        "The worse response answers a similar instruction x' (the paper), or the model was prompted for a worse one (its ablation).",
      ),
    calls: z
      .enum(['one', 'two'])
      .default('one')
      .describe(
        "For `similar-instruction`: one call writes x' and its answer (the paper), or two calls, for small models.",
      ),
    respondPrompt: promptFolderPath.default('prompts/respond').describe('The prompt for a response.'),
    similarPrompt: promptFolderPath
      .describe(
        'The prompt for a similar instruction; by default `prompts/similar-with-response` for one call, ' +
          '`prompts/similar` for two.',
      )
      .optional(),
    worsePrompt: promptFolderPath
      .default('prompts/worse')
      .describe('For `worse-response`: the prompt for the worse response.'),
    refusals: z
      .enum(['drop', 'keep'])
      .default('drop')
      .describe('Pairs in which the model refuses to answer.'),
    responseSampling: samplingSchema
      .default({ temperature: 0.7, topP: 0.9, maxTokens: 2048 })
      .describe('How responses are sampled.'),
    similarSampling: samplingSchema
      .default({ temperature: 0.7, topP: 0.9, maxTokens: 4096 })
      .describe('How similar instructions are sampled.'),
    limits: limitsSchema,
    parts: partsSchema,
    tasks: trainedTasksSchema,
  })
  .describe(
    'Pairs are made from `instructions`, so that the better side is known by construction (the paper).',
  );

const providedPairsSchema = z
  .strictObject({
    kind: z.literal('provided').describe('Files contain the pairs.'),
    files: z
      .array(inputPath)
      .min(1)
      .describe('The files, as in `instructions.pool`: paths, patterns, files of the Hugging Face hub.'),
    format: preferenceLayout,
    decontamination: decontaminationSchema
      .nullable()
      .prefault({})
      .describe(
        'Drops pairs whose instruction overlaps with a benchmark of the run, as `instructions.filters` does.',
      ),
    maxPairs: positiveInteger
      .nullable()
      .default(null)
      .describe('The maximum number of pairs, chosen by the seed; null uses all.'),
    shardSize: positiveInteger
      .default(200)
      .describe('Pairs in a shard: the unit that one activity works on.'),
    limits: limitsSchema,
    parts: partsSchema,
    tasks: trainedTasksSchema,
  })
  .describe(
    'Files contain the pairs and their better side; the run starts at judging, without `instructions`.',
  );

export const pairsSchema = z
  .discriminatedUnion('kind', [generatedPairsSchema, providedPairsSchema])
  .transform((value) =>
    value.kind === 'provided'
      ? value
      : {
          ...value,
          kind: 'generated' as const,
          similarPrompt:
            value.similarPrompt ??
            (value.calls === 'one' ? 'prompts/similar-with-response' : 'prompts/similar'),
        },
  );

const strategySchema = z.discriminatedUnion('kind', [
  z
    .strictObject({
      kind: z.literal('all').describe('All N at once, in one request if the server supports `n`.'),
    })
    .describe('All N at once (the paper).'),
  z
    .strictObject({
      kind: z.literal('until-correct').describe('Until the first correct judgment, at most N.'),
      initialBatchSize: positiveInteger
        .max(1024)
        .default(1)
        .describe(
          'Samples of the first batch; every further batch is twice as large (src/method/sampling-batches.ts).',
        ),
      also: z
        .literal('incorrect')
        .describe('Continues until there is an incorrect judgment too, for preference pairs.')
        .optional(),
    })
    .describe(
      'In batches until the first correct judgment, at most N: the same distribution for a fraction of the tokens.',
    ),
]);

const planSchema = z
  .strictObject({
    prompt: promptFolderPath
      .default('prompts/plan')
      .describe('The prompt for a plan. It sees the instruction alone.'),
    executionPrompt: promptFolderPath
      .default('prompts/execute-plan')
      .describe(
        'The prompt for judgments that follow a plan, in place of `judging.prompt`. It sees the plan, the instruction and both responses.',
      ),
    samples: positiveInteger
      .max(64)
      .default(5)
      .describe(
        'The plans for each instruction. `judging.samples` judgments follow each of them, in each order.',
      ),
    sampling: samplingSchema
      .default({ temperature: 0.8, topP: 0.95, maxTokens: 2048 })
      .describe('How plans are sampled.'),
  })
  .describe(
    'The judge first plans how to judge an instruction, without the responses, and then follows the plan (EvalPlanner, arXiv ' +
      '2501.18099). It learns plan and judgment as one text under `filtering.trainingPrompt`, which asks for no plan.',
  );

export const judgingSchema = z.strictObject({
  prompt: promptFolderPath
    .default('prompts/pairwise')
    .describe('The prompt that judgments are sampled with.'),
  samples: positiveInteger
    .max(1024)
    .default(15)
    .describe(
      'N: the judgments sampled for each pair and order, with `plan` for each plan too; with `until-correct` the maximum.',
    ),
  plan: planSchema.optional(),
  strategy: strategySchema.default({ kind: 'all' }).describe('When sampling ends.'),
  sampling: samplingSchema
    .default({ temperature: 0.7, topP: 0.9, maxTokens: 4096 })
    .describe('How judgments are sampled.'),
});

const humanDataSchema = z.strictObject({
  name: z
    .string()
    .regex(/^[a-z0-9][a-z0-9-]{0,62}$/, 'a name has 1 to 63 small letters, digits or "-"')
    .describe("The source's name in ids, counts and report."),
  path: inputPath.describe('The file or files, as an entry of `instructions.pool`.'),
  format: preferenceLayout,
  weight: positiveNumber
    .default(1)
    .describe(
      'The weight of these pairs in the training set relative to `generatedWeight`: 0.5 gives half as many examples as generated ones.',
    ),
});

export const filteringSchema = z.strictObject({
  target: z
    .enum(['construction', 'majority-vote'])
    .default('construction')
    .describe(
      "The side that counts as correct: the better one by construction, or by the pair's file; or the one that most of the judge's own verdicts name.",
    ),
  majorityThreshold: fraction
    .gt(0)
    .nullable()
    .default(null)
    .describe(
      'Keeps an example only if at least this share of its N judgments is correct (an option of the released code).',
    ),
  judgmentsPerExample: positiveInteger
    .max(1024)
    .default(1)
    .describe('The maximum number of correct judgments that are kept of an example.'),
  positionConsistentOnly: z
    .boolean()
    .default(false)
    .describe('Keeps a pair only if both orders have correct judgments, and the same number of each.'),
  balance: z
    .boolean()
    .default(true)
    .describe('Downsamples to the same number of examples that answer A and that answer B.'),
  humanData: z
    .array(humanDataSchema)
    .default([])
    .describe(
      'Human-labelled pairs that are judged too and mixed with the generated ones by weight, by downsampling.',
    ),
  generatedWeight: nonNegative
    .default(1)
    .describe('The weight of the generated pairs relative to `humanData`; 0 trains on human labels only.'),
  trainingPrompt: promptFolderPath
    .describe('The prompt that kept judgments are trained under; `judging.prompt` by default.')
    .optional(),
  reasoning: z
    .enum(['keep', 'drop'])
    .default('keep')
    .describe(
      'Whether a judge learns the whole text of a judgment, with the reasoning before its answer as in the paper, or only the answer.',
    ),
  minReasoning: positiveInteger
    .max(10_000)
    .nullable()
    .default(null)
    .describe(
      'Keeps only judgments with at least this many words before their verdict, so that guesses with the correct verdict are not learned; null keeps them too.',
    ),
  minExamples: positiveInteger
    .default(16)
    .describe('The iteration fails if there are fewer training examples than this.'),
});
