/** How response pairs are made, judged, and turned into training examples. */
import { z } from 'zod';
import { PREFERENCE_LAYOUTS } from '../preferences/layout-names.ts';
import { decontamination } from './instructions.ts';
import { count, notNegative, path, positive, promptFolder, sampling, share } from './fields.ts';

const preferenceLayout = z
  .enum(['auto', ...PREFERENCE_LAYOUTS])
  .default('auto')
  .describe(
    'How the files lay their pairs out (docs/own-data.md); `auto` recognises each file by its columns.',
  );

const generatedPairs = z
  .strictObject({
    kind: z
      .literal('generated')
      .describe('The models of the run make them from its instructions.')
      .optional(),
    construction: z
      .enum(['similar-instruction', 'worse-response'])
      .default('similar-instruction')
      .describe(
        "The worse response answers a similar instruction x' (the paper), or was asked for as a worse one (its ablation).",
      ),
    calls: z
      .enum(['one', 'two'])
      .default('one')
      .describe(
        "For `similar-instruction`: one call writes x' and its answer (the paper), or two calls, for small models.",
      ),
    respondPrompt: promptFolder.default('prompts/respond').describe('The prompt that asks for a response.'),
    similarPrompt: promptFolder
      .describe(
        'The prompt that asks for a similar instruction; by default `prompts/similar-with-response` for one call, ' +
          '`prompts/similar` for two.',
      )
      .optional(),
    worsePrompt: promptFolder
      .default('prompts/worse')
      .describe('For `worse-response`: the prompt that asks for it.'),
    refusals: z
      .enum(['drop', 'keep'])
      .default('drop')
      .describe('Pairs in which the model refuses in place of an answer.'),
    responseSampling: sampling
      .default({ temperature: 0.7, topP: 0.9, maxTokens: 2048 })
      .describe('How responses are sampled.'),
    similarSampling: sampling
      .default({ temperature: 0.7, topP: 0.9, maxTokens: 4096 })
      .describe('How similar instructions are sampled.'),
  })
  .describe(
    'They are made from `instructions`, so that the construction says which side is better (the paper).',
  );

const givenPairs = z
  .strictObject({
    kind: z.literal('given').describe('Files hold them.'),
    files: z
      .array(path)
      .min(1)
      .describe('The files, as in `instructions.pool`: paths, patterns, files of the Hugging Face hub.'),
    layout: preferenceLayout,
    decontamination: decontamination
      .nullable()
      .prefault({})
      .describe(
        'Drops pairs whose instruction a benchmark of the run has too, as `instructions.filters` does.',
      ),
    maximum: count
      .nullable()
      .default(null)
      .describe('At most this many pairs, chosen by the seed; null takes all.'),
    shardSize: count.default(200).describe('Pairs in a shard: the unit that one activity works on.'),
  })
  .describe('Files name the better side; the run starts at judging, and there are no `instructions`.');

export const pairs = z.discriminatedUnion('kind', [generatedPairs, givenPairs]).transform((value) =>
  value.kind === 'given'
    ? value
    : {
        ...value,
        kind: 'generated' as const,
        similarPrompt:
          value.similarPrompt ??
          (value.calls === 'one' ? 'prompts/similar-with-response' : 'prompts/similar'),
      },
);

const strategy = z.discriminatedUnion('kind', [
  z
    .strictObject({
      kind: z.literal('all').describe('All N at once, in one request where the server knows `n`.'),
    })
    .describe('All N at once (the paper).'),
  z
    .strictObject({
      kind: z.literal('until-correct').describe('Until the first right judgment, at most N.'),
      wave: count
        .max(1024)
        .default(1)
        .describe(
          'Samples of the first wave; every further wave has twice as many as the one before (src/judge/waves.ts).',
        ),
      also: z
        .literal('wrong')
        .describe('Go on until there is a wrong judgment too, for preference pairs.')
        .optional(),
    })
    .describe(
      'In waves until the first right judgment, at most N: the same distribution for a fraction of the tokens.',
    ),
]);

export const judging = z.strictObject({
  prompt: promptFolder.default('prompts/pairwise').describe('The prompt that judgments are sampled with.'),
  samples: count
    .max(1024)
    .default(15)
    .describe('N: judgments sampled for each pair and order; with `until-correct` at most.'),
  strategy: strategy.default({ kind: 'all' }).describe('When sampling ends.'),
  sampling: sampling
    .default({ temperature: 0.7, topP: 0.9, maxTokens: 4096 })
    .describe('How judgments are sampled.'),
});

const humanData = z.strictObject({
  name: z
    .string()
    .regex(/^[a-z0-9][a-z0-9-]{0,62}$/, 'a name has 1 to 63 small letters, digits or "-"')
    .describe("The source's name in ids, counts and report."),
  path: path.describe('The file or files, as an entry of `instructions.pool`.'),
  layout: preferenceLayout,
  weight: positive
    .default(1)
    .describe(
      'Its part of the training set, beside `generatedWeight`: with 0.5 half as many examples as generated ones.',
    ),
});

export const filtering = z.strictObject({
  target: z
    .enum(['construction', 'majority-vote'])
    .default('construction')
    .describe(
      "What is right: the side that the construction, or a given pair's file, makes better, or the one that most of the judge's own verdicts name.",
    ),
  majorityThreshold: share
    .gt(0)
    .nullable()
    .default(null)
    .describe(
      "Keep an example only where at least this share of its N judgments is right (the released code's option).",
    ),
  judgmentsPerExample: count
    .max(1024)
    .default(1)
    .describe('Right judgments that are kept of an example, at most.'),
  positionConsistentOnly: z
    .boolean()
    .default(false)
    .describe(
      'Keep a pair only where it has right judgments in both orders, as many in one as in the other.',
    ),
  balance: z.boolean().default(true).describe('As many examples that answer A as B, by downsampling.'),
  humanData: z
    .array(humanData)
    .default([])
    .describe(
      'Human-labelled pairs that are judged beside the generated ones and mixed in by weight, by downsampling.',
    ),
  generatedWeight: notNegative
    .default(1)
    .describe('The part of the generated pairs beside `humanData`; 0 trains on human labels alone.'),
  trainingPrompt: promptFolder
    .describe('The prompt that kept judgments are trained under; `judging.prompt` by default.')
    .optional(),
  minimumExamples: count
    .default(16)
    .describe('Fewer training examples than this fail the iteration instead of training on next to nothing.'),
});
