import { z } from 'zod';
import { BENCHMARK_FORMATS } from '../benchmarks/formats.ts';

/**
 * The configuration of a run: one JSON object, the same from the CLI, HTTP and every SDK. Defaults are the paper's
 * settings (arXiv 2408.02666) where it gives them. Unknown fields are errors, so that a typing mistake never passes
 * for a setting.
 */

const positive = z.number().positive();
const count = z.int().positive();
const share = z.number().min(0).max(1);
/** A path on the worker's machine: absolute, or relative to the worker's folder, else to the package. */
const path = z.string().min(1);
/** A folder with `user.txt` and perhaps `system.txt`. */
const promptFolder = path;

const runName = z
  .string()
  .regex(
    /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/,
    'a run name has 1 to 63 letters, digits, ".", "_" or "-", and starts with a letter or digit',
  )
  .refine((name) => !name.includes('..'), 'a run name has no ".."');

const sampling = z.strictObject({
  temperature: z.number().min(0).max(2),
  topP: z.number().gt(0).max(1),
  maxTokens: count,
});

const environmentName = z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'the name of an environment variable');

const endpointServing = z.strictObject({
  kind: z.literal('endpoint'),
  /** For example `http://gpu-box:8000/v1`. */
  baseUrl: z.url({ protocol: /^https?$/, error: 'expected an http or https URL' }),
  /** The model's name at the endpoint; `{runName}`, `{iteration}` and `{checkpoint}` are filled in. */
  servedName: z.string().min(1),
  /** The environment variable that holds the key, read by the worker. */
  apiKeyVariable: environmentName.optional(),
});

const commandServing = z.strictObject({
  kind: z.literal('command'),
  /** Program and arguments; `{python}`, `{checkpoint}`, `{servedName}`, `{port}`, `{storeRoot}`, `{packageRoot}` are filled in. */
  command: z.array(z.string().min(1)).min(1),
  servedName: z.string().min(1).default('{runName}-{iteration}'),
  host: z.string().min(1).default('127.0.0.1'),
  healthPath: z.string().startsWith('/').default('/health'),
  basePath: z.string().startsWith('/').default('/v1'),
  startTimeoutSeconds: positive.default(1800),
  environment: z.record(environmentName, z.string()).default({}),
  /** Stop the servers of the run while it trains, because both need the same GPUs or memory. */
  stopWhileTraining: z.boolean().default(true),
});

const serving = z.discriminatedUnion('kind', [endpointServing, commandServing]);

const model = z.strictObject({
  /** A folder in Hugging Face layout, or a Hugging Face hub id. */
  checkpoint: z.string().min(1),
  /** How this model is served where that differs from the run's `serving`. */
  serving: serving.optional(),
});

const instructions = z.strictObject({
  /** Files with one instruction a row: .jsonl, .jsonl.gz, .json or .parquet with a column `instruction`. */
  pool: z.array(path).min(1),
  /** The categories an LLM chooses from, and which of them are kept; null keeps every instruction unasked. */
  categories: z
    .strictObject({
      prompt: promptFolder.default('prompts/category'),
      names: z.array(z.string().min(1)).min(2),
      keep: z.array(z.string().min(1)).min(1),
      sampling: sampling.default({ temperature: 0, topP: 1, maxTokens: 32 }),
    })
    .nullable()
    .default(null),
  /** At most this many selected instructions, chosen by the seed; null takes all. */
  maximum: count.nullable().default(null),
  /** Instructions in a shard: the unit that one activity works on. */
  shardSize: count.default(200),
});

const pairs = z
  .strictObject({
    /** One call writes x' and its answer (the paper), or two calls, for small models. */
    calls: z.enum(['one', 'two']).default('one'),
    respondPrompt: promptFolder.default('prompts/respond'),
    /** `one`: prompts/similar-with-response; `two`: prompts/similar. */
    similarPrompt: promptFolder.optional(),
    responseSampling: sampling.default({ temperature: 0.7, topP: 0.9, maxTokens: 2048 }),
    similarSampling: sampling.default({ temperature: 0.7, topP: 0.9, maxTokens: 4096 }),
  })
  .transform((value) => ({
    ...value,
    similarPrompt:
      value.similarPrompt ?? (value.calls === 'one' ? 'prompts/similar-with-response' : 'prompts/similar'),
  }));

const judging = z.strictObject({
  /** The prompt that judgments are sampled with. */
  prompt: promptFolder.default('prompts/pairwise'),
  /** N: judgments sampled for each pair and order. */
  samples: count.max(1024).default(15),
  sampling: sampling.default({ temperature: 0.7, topP: 0.9, maxTokens: 4096 }),
});

const filtering = z.strictObject({
  /** As many examples that answer A as B, by downsampling. */
  balance: z.boolean().default(true),
  /** The prompt that kept judgments are trained under; `judging.prompt` by default. */
  trainingPrompt: promptFolder.optional(),
  /** Fewer training examples than this fail the iteration instead of training on next to nothing. */
  minimumExamples: count.default(16),
});

const hyperparameters = z.strictObject({
  epochs: positive.default(2),
  maximumSteps: count.nullable().default(null),
  /** Examples in a forward pass on one device. */
  batchSize: count.default(1),
  gradientAccumulation: count.default(8),
  learningRate: positive.default(1e-6),
  schedule: z.enum(['cosine', 'linear', 'constant']).default('cosine'),
  /** Where the cosine ends, as a share of the learning rate. */
  finalLearningRateRatio: share.default(0.2),
  warmupSteps: z.int().nonnegative().default(100),
  weightDecay: z.number().nonnegative().default(0.1),
  adamBetas: z.tuple([share.lt(1), share.lt(1)]).default([0.9, 0.95]),
  maximumGradientNorm: positive.nullable().default(null),
  /** Tokens; a longer example is left out whole, because its end is its verdict. */
  maximumLength: count.default(4096),
  precision: z.enum(['float32', 'bfloat16']).default('bfloat16'),
  checkpointEverySteps: count.default(500),
  keepCheckpoints: count.default(2),
});

const fineTuning = z.strictObject({
  method: z.literal('sft').default('sft'),
  hyperparameters: hyperparameters.prefault({}),
  launcher: z
    .strictObject({
      kind: z.literal('process'),
      /** `{python}` and `{job}` are filled in. */
      command: z.array(z.string().min(1)).min(1),
    })
    .default({ kind: 'process', command: ['{python}', '-m', 'trainer', '--job', '{job}'] }),
  /** CPU threads of the trainer; null leaves it to PyTorch. */
  threads: count.nullable().default(null),
  /** Allow code that comes with the checkpoint to run. */
  trustRemoteCode: z.boolean().default(false),
});

const benchmark = z.strictObject({
  /** The name in scores, report and folders. */
  name: z
    .string()
    .regex(/^[a-z0-9][a-z0-9-]{0,62}$/, 'a benchmark name has 1 to 63 small letters, digits or "-"'),
  format: z.enum(BENCHMARK_FORMATS),
  /** The official file, or for a benchmark of several files their folder. */
  path,
  /** `validation` chooses the checkpoint and stops early; `test` is only reported. */
  purpose: z.enum(['validation', 'test']),
  /** Instead of the benchmark's own prompt, or of `evaluation.prompt`. A benchmark of several prompts has them in subfolders. */
  prompt: promptFolder.optional(),
  /** Instead of `evaluation.sampling`. */
  sampling: sampling.optional(),
});

const evaluation = z.strictObject({
  benchmarks: z.array(benchmark).min(1),
  prompt: promptFolder.default('prompts/pairwise'),
  sampling: sampling.default({ temperature: 0, topP: 1, maxTokens: 2048 }),
  /** Samples of each verdict, whose majority counts (the paper also gives 32, at temperature 0.7 and top_p 0.9). */
  votes: count.max(1024).default(1),
  /** Benchmark items in a shard, at two requests each; fewer of those that take more. */
  shardSize: count.default(200),
});

const earlyStopping = z.strictObject({
  /** Stop after this many iterations in a row without a better validation accuracy. */
  patience: count,
});

const inference = z.strictObject({
  /** Requests that one shard has in flight; the worker bounds the sum for each endpoint. */
  requestsPerShard: count.default(64),
  /** Shards that one stage works on at once. */
  shardsAtOnce: count.max(100).default(4),
  /** More than this share of a shard's units set aside for good fails the stage. */
  maximumSetAsideShare: share.default(0.05),
});

const timeouts = z.strictObject({
  /** How long the silence of a worker lasts before its work is given to another one. */
  heartbeatSeconds: z.number().min(5).default(60),
  /** How long work may wait for a worker with the right role. */
  workerSeconds: positive.default(60),
  fineTuneHours: positive.default(24 * 14),
});

export const configurationSchema = z.strictObject({
  $schema: z.string().optional(),
  runName,
  /** Every random choice follows from it. */
  seed: z
    .int()
    .nonnegative()
    .max(2 ** 31 - 1)
    .default(42),
  iterations: count.max(100).default(5),
  models: z.strictObject({
    /** M_0: judged first, and the start of every fine-tuning. */
    seed: model,
    /** Writes categories and response pairs; the seed model by default. */
    generator: model.optional(),
    /** Gives the first round's judgments; the seed model by default. */
    firstJudge: model.optional(),
  }),
  serving,
  instructions,
  pairs: pairs.prefault({}),
  judging: judging.prefault({}),
  filtering: filtering.prefault({}),
  fineTuning: fineTuning.prefault({}),
  evaluation,
  earlyStopping: earlyStopping.nullable().default(null),
  inference: inference.prefault({}),
  timeouts: timeouts.prefault({}),
  /** `"<iteration>/<stage>"`: set this stage and all that follow aside and do them again. */
  redo: z
    .string()
    .regex(/^\d+\/[a-z-]+$/, 'for example "2/judge-pairs"')
    .optional(),
});

/** A configuration with every default filled in. */
export type Configuration = z.output<typeof configurationSchema>;
/** A configuration as a user writes it. */
export type ConfigurationInput = z.input<typeof configurationSchema>;
export type Serving = Configuration['serving'];
export type Sampling = z.output<typeof sampling>;
export type Hyperparameters = z.output<typeof hyperparameters>;
