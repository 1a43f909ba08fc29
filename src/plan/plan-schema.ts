/** What a plan says: what `plan --json` prints. The type and schema/plan.schema.json follow from here. */
import { z } from 'zod';
import type { Immutable } from '../contract/immutable.ts';

const notNegative = z.number().nonnegative();
const whole = z.int().nonnegative();
const origin = z
  .enum(['rule', 'given', 'probe', 'artifacts'])
  .describe(
    '`rule`: of the product; `given`: by an option; `probe`: measured now; `artifacts`: of an earlier run.',
  );

const usage = {
  requests: whole.describe('To models; one that is sent again counts once.'),
  answers: whole.describe('Samples that the requests ask for.'),
  promptTokens: whole.describe('Tokens of the requests, each once however many samples it asks for.'),
  completionTokens: whole.describe('Tokens of the answers.'),
  trainingTokens: whole.describe('Tokens that the trainer works through.'),
  seconds: notNegative.describe('By the rates; left out where there is none.').exactOptional(),
  usd: notNegative.describe("By the configuration's prices; left out where there is none.").exactOptional(),
};

const stage = z.object({
  stage: z
    .enum([
      'categorizeInstructions',
      'generatePairs',
      'preparePairs',
      'judgePairs',
      'fineTune',
      'evaluateJudge',
    ])
    .describe('As progress and report name it.'),
  iteration: whole.describe('0: before the first iteration.'),
  benchmark: z.string().describe('Of an evaluation.').exactOptional(),
  reused: z.number().min(0).max(1).describe('The share that stands in the store already.'),
  whole: z.object(usage).describe('What the stage takes from its beginning.'),
  remaining: z.object(usage).describe('What is still to do of it.'),
  training: z
    .object({
      method: z.enum(['sft', 'dpo']).describe('As the round says.'),
      examples: whole.describe('In the training set.'),
      steps: whole.describe('Of the optimizer.'),
    })
    .describe('Of a fine-tuning.')
    .exactOptional(),
});

const counted = z.object({
  checkpoint: z.string().describe('As the configuration names it.'),
  by: z
    .discriminatedUnion('kind', [
      z.object({
        kind: z.literal('tokenizer').describe("The checkpoint's own, with its chat template."),
        folder: z.string().describe('Where it was read.'),
      }),
      z.object({
        kind: z.literal('rule').describe('By the number of characters.'),
        charactersPerToken: notNegative.describe('Of English text.'),
        tokensPerMessage: notNegative.describe('That a chat template adds.'),
        because: z.string().describe("Why the tokenizer didn't count."),
      }),
    ])
    .describe('How.'),
});

const memory = z.object({
  method: z.enum(['sft', 'dpo']).describe('Of the round.'),
  devices: whole.describe('GPUs, or processes, that train side by side.'),
  sharded: z.boolean().describe('Whether each holds a part of the model (FSDP), or all of it.'),
  trained: whole.describe('Parameters that are trained.'),
  bytesPerGpu: whole.describe('That each needs.'),
  parts: z
    .array(z.object({ what: z.string().describe('What takes it.'), bytes: whole.describe('Of each GPU.') }))
    .describe('What it is made of.'),
});

const problem = z.object({
  path: z.string().describe('The field, or what was looked at.'),
  message: z.string().describe('What is wrong, and what to do.'),
});

export const planSchema = z.object({
  runName: z.string().describe('As in the configuration.'),
  store: z.string().describe('The store that was looked at.'),
  missing: z.array(problem).describe('What would keep the run from starting, as this machine sees it.'),
  workers: z.array(problem).describe('The roles that no worker has now, or that no Temporal server answers.'),
  stages: z.array(stage).describe('In the order of the run; none where nothing can be counted.'),
  whole: z.object(usage).describe('All stages from their beginning.'),
  remaining: z.object(usage).describe('What is still to do.'),
  uncounted: z.array(z.string()).describe('What the numbers leave out, and why.'),
  counts: z
    .object({
      rows: whole.describe('Of the files of the pool, or of given pairs.').exactOptional(),
      instructions: whole
        .describe("That the pool's filters leave; left out where the pairs are given.")
        .exactOptional(),
      selected: whole
        .describe('By category, complexity and maximum; left out where the pairs are given.')
        .exactOptional(),
      pairs: whole.describe('Of responses.'),
      humanPairs: whole.describe('That are judged too.'),
    })
    .describe('What the stages work on.')
    .exactOptional(),
  tokenizers: z.array(counted).describe('How tokens were counted, by checkpoint.'),
  model: z
    .object({
      parameters: whole.describe('Of the seed model.'),
      from: z
        .enum(['weights', 'configuration', 'name'])
        .describe('Headers of its safetensors, its config.json, or its name alone.'),
    })
    .describe('How large the seed model is; left out where nothing tells.')
    .exactOptional(),
  memory: z.array(memory).describe('Of each round of fine-tuning; none where the model is not known.'),
  disk: z
    .object({
      artifactsBytes: whole.describe('Texts: instructions, pairs, judgments, training sets.'),
      modelsBytes: whole.describe('The judges, one an iteration.'),
      checkpointsBytes: whole.describe('To go on from while it trains, at most at once.'),
      neededBytes: whole.describe('All of it.'),
      freeBytes: whole.describe('On the disk of the store now.').exactOptional(),
    })
    .describe('What the store needs.')
    .exactOptional(),
  rates: z
    .record(
      z.string(),
      z.object({ tokensPerSecond: notNegative.describe('All requests together.'), from: origin }),
    )
    .describe('By stage.'),
  earlierRun: z.string().describe('The run that lengths and rates were taken from.').exactOptional(),
  probe: z
    .object({
      requests: whole.describe('That were sent.'),
      atOnce: whole.describe('In flight.'),
      seconds: notNegative.describe('That it took.'),
      problem: z.string().describe('Why something could not be measured.').exactOptional(),
    })
    .describe('What `--probe` came to.')
    .exactOptional(),
  assumptions: z
    .array(
      z.object({
        name: z.string().describe('What `--assume` calls it.'),
        value: notNegative.describe('Tokens, or a share.'),
        from: origin,
        means: z.string().describe('In words.'),
      }),
    )
    .describe('What nothing on disk could tell.'),
  notes: z.array(z.string()).describe('What else the numbers rest on.'),
});

export type Plan = Immutable<z.output<typeof planSchema>>;
export type PlannedStage = Plan['stages'][number];
export type PlannedUsage = PlannedStage['whole'];
