/** The estimate of a run, as `plan --json` prints it. The type and schema/plan.schema.json are derived from it. */
import { z } from 'zod';
import { METHODS } from '../models/training/recipes/registry.ts';
import type { DeepReadonly } from '../platform/deep-readonly.ts';

const notNegative = z.number().nonnegative();
const count = z.int().nonnegative();
const origin = z
  .enum(['default', 'option', 'probe', 'earlier-run'])
  .describe(
    'The source of the value: `default` (of the product), `option` (set by an option), `probe` (measured now) or `earlier-run` (measured in an earlier run).',
  );

const usage = {
  requests: count.describe('The number of requests to models; a request that is sent again counts once.'),
  answers: count.describe('The number of samples that the requests ask for.'),
  promptTokens: count.describe(
    'The tokens of the requests; a request counts once, however many samples it asks for.',
  ),
  completionTokens: count.describe('The tokens of the answers.'),
  trainingTokens: count.describe('The tokens that the trainer processes.'),
  seconds: notNegative
    .describe('The time at the rates below; absent if a rate is not known.')
    .exactOptional(),
  usd: notNegative.describe("The cost at the configuration's prices; absent if it has none.").exactOptional(),
};

const stage = z.object({
  stage: z
    .enum([
      'categorizeInstructions',
      'generatePairs',
      'preparePairs',
      'planJudgments',
      'judgePairs',
      'fineTune',
      'selectCheckpoint',
      'evaluateJudge',
    ])
    .describe('The stage, as progress and the report name it.'),
  iteration: count.describe('The iteration; 0 is before the first training.'),
  benchmark: z.string().describe('The name of the benchmark, if the stage is an evaluation.').exactOptional(),
  reused: z
    .number()
    .min(0)
    .max(1)
    .describe('The share of the stage that the store has already, from 0 to 1.'),
  whole: z.object(usage).describe('The usage of the stage from its beginning.'),
  remaining: z.object(usage).describe('The usage of the part that is still to do.'),
  training: z
    .object({
      method: z.enum(METHODS).describe('The training method of the round.'),
      examples: count.describe('The number of examples in the training set.'),
      sampledJudgments: count
        .describe('The number of judgments that the training samples itself, if its method does.')
        .exactOptional(),
      steps: count.describe('The number of optimizer steps.'),
      checkpoints: count
        .describe('The number of checkpoints that validation chooses among, if the round selects one.')
        .exactOptional(),
    })
    .describe('The training, if the stage is a fine-tuning.')
    .exactOptional(),
});

const counted = z.object({
  checkpoint: z.string().describe('The checkpoint, as the configuration names it.'),
  by: z
    .discriminatedUnion('kind', [
      z.object({
        kind: z.literal('tokenizer').describe("The checkpoint's own tokenizer, with its chat template."),
        folder: z.string().describe('The folder that the tokenizer was read from.'),
      }),
      z.object({
        kind: z.literal('rule').describe('An approximation from the number of characters.'),
        charactersPerToken: notNegative.describe('The characters of English text that count as one token.'),
        tokensPerMessage: notNegative.describe('The tokens that a chat template adds to a message.'),
        because: z.string().describe('The reason why the tokenizer was not used.'),
      }),
    ])
    .describe('The method of counting.'),
});

const memory = z.object({
  method: z.enum(METHODS).describe('The training method of the round.'),
  devices: count.describe('The number of GPUs, or of processes, that train in parallel.'),
  sharded: z
    .boolean()
    .describe('True if each device holds a part of the model (FSDP), false if each holds all of it.'),
  trained: count.describe('The number of trained parameters.'),
  bytesPerGpu: count.describe('The memory that each GPU needs, in bytes.'),
  parts: z
    .array(
      z.object({
        what: z.string().describe('The use of the memory, such as weights or gradients.'),
        bytes: count.describe('The bytes on each GPU.'),
      }),
    )
    .describe('The parts of `bytesPerGpu`.'),
});

const problem = z.object({
  path: z.string().describe('The field of the configuration, or the thing that was checked.'),
  message: z.string().describe('The problem, and how to fix it.'),
});

export const estimateSchema = z.object({
  runName: z.string().describe('The name of the run, as in the configuration.'),
  store: z.string().describe('The store that was searched for finished work.'),
  missing: z
    .array(problem)
    .describe('The problems, seen from this machine, that would keep the run from starting.'),
  workers: z
    .array(problem)
    .describe('The roles that no worker has now, or the problem that the Temporal server does not answer.'),
  stages: z.array(stage).describe('The stages in the order of the run; empty if nothing can be counted.'),
  whole: z.object(usage).describe('The usage of all stages from their beginning.'),
  remaining: z.object(usage).describe('The usage of all that is still to do.'),
  uncounted: z.array(z.string()).describe('The things that the numbers leave out, and why.'),
  counts: z
    .object({
      rows: count
        .describe('The number of rows in the files of the pool, or of the provided pairs.')
        .exactOptional(),
      instructions: count
        .describe(
          "The number of instructions that pass the pool's filters; absent if the pairs are provided.",
        )
        .exactOptional(),
      selected: count
        .describe(
          'The number of instructions that are selected by category, complexity and maximum; absent if the pairs are provided.',
        )
        .exactOptional(),
      pairs: count.describe('The number of response pairs.'),
      humanPairs: count.describe('The number of human-labelled pairs, which are judged too.'),
      taskRecords: count
        .describe('The number of records of tasks beyond pairs; absent if none are judged.')
        .exactOptional(),
    })
    .describe('The numbers of records that the stages process.')
    .exactOptional(),
  tokenizers: z.array(counted).describe('The method by which tokens were counted, for each checkpoint.'),
  model: z
    .object({
      parameters: count.describe('The number of parameters of the seed model.'),
      from: z
        .enum(['weights', 'configuration', 'name'])
        .describe(
          'The source of the number: the headers of its safetensors files, its config.json, or only its name.',
        ),
    })
    .describe('The size of the seed model; absent if it is not known.')
    .exactOptional(),
  trainer: z
    .string()
    .describe('Where trainings would run, as this machine sees it; absent if they could not.')
    .exactOptional(),
  memory: z
    .array(memory)
    .describe('The memory of each round of fine-tuning; empty if the size of the model is not known.'),
  disk: z
    .object({
      artifactsBytes: count.describe(
        'The size of the texts: instructions, pairs, judgments and training sets.',
      ),
      modelsBytes: count.describe('The size of the trained judges, one for each iteration.'),
      checkpointsBytes: count.describe(
        'The largest size that the checkpoints for resuming a training, and those that validation chooses among, have at one time.',
      ),
      neededBytes: count.describe('The sum of the above.'),
      freeBytes: count.describe('The free space on the disk of the store now.').exactOptional(),
    })
    .describe('The disk space that the store needs.')
    .exactOptional(),
  rates: z
    .record(
      z.string(),
      z.object({
        tokensPerSecond: notNegative.describe('The tokens per second of all requests together.'),
        from: origin,
      }),
    )
    .describe('The rates, by stage.'),
  earlierRun: z.string().describe('The earlier run whose lengths and rates were used.').exactOptional(),
  probe: z
    .object({
      requests: count.describe('The number of requests that were sent.'),
      atOnce: count.describe('The number of requests in flight at a time.'),
      seconds: notNegative.describe('The duration of the probe.'),
      problem: z.string().describe('The reason why something could not be measured.').exactOptional(),
    })
    .describe('The measurement by `--probe`.')
    .exactOptional(),
  assumptions: z
    .array(
      z.object({
        name: z.string().describe('The name by which `--assume` sets it.'),
        value: notNegative.describe('A number of tokens, or a share.'),
        from: origin,
        means: z.string().describe('The meaning of the value, in words.'),
      }),
    )
    .describe('The values that could not be read from any file.'),
  notes: z.array(z.string()).describe('Other facts that the numbers depend on.'),
});

export type RunEstimate = DeepReadonly<z.output<typeof estimateSchema>>;
export type EstimatedStage = RunEstimate['stages'][number];
export type EstimatedUsage = EstimatedStage['whole'];
