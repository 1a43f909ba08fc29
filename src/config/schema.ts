import { z } from 'zod';
import { fineTuning } from './fine-tuning.ts';
import { publish } from './publish.ts';
import { PREFERENCE_LAYOUTS } from '../judge/human-preferences.ts';
import { BENCHMARK_FORMATS } from '../benchmarks/formats.ts';
import { layouts, type LayoutName } from '../pools/layouts.ts';

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

/** A lowest and a highest value that are still taken; null: no bound. */
const bounds = z
  .strictObject({
    minimum: z.int().nonnegative().nullable().default(null),
    maximum: count.nullable().default(null),
  })
  .prefault({});

/** Which rows of the pool are left out; each is counted and listed with its reason (docs/instruction-pools.md). */
const poolFilters = z.strictObject({
  /** Languages to keep, such as `en` or `English`; null keeps all. */
  languages: z.array(z.string().min(2)).min(1).nullable().default(null),
  /** What says a row's language: the file, a detector, or the detector where the file doesn't. */
  languageFrom: z.enum(['field', 'detection', 'field-else-detection']).default('field-else-detection'),
  /** Rows that the file marks as toxic, or as cut for personal data. */
  toxic: z.enum(['keep', 'drop']).default('keep'),
  redacted: z.enum(['keep', 'drop']).default('keep'),
  /** Length of the instruction in Unicode code points. */
  characters: bounds,
  /** How often the user speaks in the conversation. */
  turns: bounds,
  /** Drops what is nearly the same as another instruction: a share of common word n-grams of at least `threshold`. */
  nearDuplicates: z
    .strictObject({ threshold: z.number().min(0.5).max(1).default(0.8), ngram: count.max(20).default(3) })
    .nullable()
    .default(null),
  /** Drops what a benchmark of the run has too: `words` words in a row, or a shorter instruction of the benchmark whole. */
  decontamination: z
    .strictObject({
      words: z.int().min(2).max(100).default(13),
      /** A benchmark's instruction of fewer words only counts where it is the whole instruction of the pool. */
      fewestWords: z.int().min(1).max(100).default(8),
    })
    .nullable()
    .prefault({}),
});

/** The kinds of request that the paper sorts its pool by, in the usual words. */
const CATEGORIES = [
  'reasoning',
  'math',
  'coding',
  'brainstorming',
  'advice',
  'creative writing',
  'rewriting',
  'summarization',
  'extraction',
  'classification',
  'translation',
  'closed question',
  'open question',
  'role play',
  'other',
];

const instructions = z.strictObject({
  /**
   * Files by path or pattern (`data/*.parquet`): .parquet, .jsonl or .json, the latter two also as .gz. Or files of the
   * Hugging Face hub: `hf://datasets/<owner>/<name>@<revision>/<path or pattern>`.
   */
  pool: z.array(path).min(1),
  /** How the files lay their instructions out; `auto` recognises each file by its columns. */
  layout: z.enum(['auto', ...Object.keys(layouts)] as ['auto', ...LayoutName[]]).default('auto'),
  filters: poolFilters.prefault({}),
  /** The categories an LLM chooses from, and which of them are kept; null keeps every instruction unasked. */
  categories: z
    .strictObject({
      prompt: promptFolder.default('prompts/category'),
      names: z.array(z.string().min(1)).min(2).default(CATEGORIES),
      keep: z.array(z.string().min(1)).min(1).default(['reasoning']),
      sampling: sampling.default({ temperature: 0, topP: 1, maxTokens: 32 }),
    })
    .nullable()
    .default(null),
  /** An LLM says how complex an instruction is, from 1 to 5, and those between the bounds are kept; null doesn't ask. */
  complexity: z
    .strictObject({
      prompt: promptFolder.default('prompts/complexity'),
      minimum: z.int().min(1).max(5).default(1),
      maximum: z.int().min(1).max(5).default(5),
      sampling: sampling.default({ temperature: 0, topP: 1, maxTokens: 16 }),
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
    /** The worse response answers a similar instruction x' (the paper), or was asked for as a worse one (its ablation). */
    construction: z.enum(['similar-instruction', 'worse-response']).default('similar-instruction'),
    /** For `similar-instruction`. One call writes x' and its answer (the paper), or two calls, for small models. */
    calls: z.enum(['one', 'two']).default('one'),
    respondPrompt: promptFolder.default('prompts/respond'),
    /** `one`: prompts/similar-with-response; `two`: prompts/similar. */
    similarPrompt: promptFolder.optional(),
    /** For `worse-response`. */
    worsePrompt: promptFolder.default('prompts/worse'),
    /** Pairs in which the model refuses in place of an answer. */
    refusals: z.enum(['drop', 'keep']).default('drop'),
    responseSampling: sampling.default({ temperature: 0.7, topP: 0.9, maxTokens: 2048 }),
    similarSampling: sampling.default({ temperature: 0.7, topP: 0.9, maxTokens: 4096 }),
  })
  .transform((value) => ({
    ...value,
    similarPrompt:
      value.similarPrompt ?? (value.calls === 'one' ? 'prompts/similar-with-response' : 'prompts/similar'),
  }));

const strategy = z.discriminatedUnion('kind', [
  /** All N at once (the paper), in one request where the server knows `n`. */
  z.strictObject({ kind: z.literal('all') }),
  /** In waves until the first right judgment, at most N: the same distribution for a fraction of the tokens. */
  z.strictObject({
    kind: z.literal('until-correct'),
    /** Samples of the first wave; every further wave has twice as many as the one before (src/judge/waves.ts). */
    wave: count.max(1024).default(1),
    /** Go on until there is a wrong judgment too, for preference pairs. */
    also: z.literal('wrong').optional(),
  }),
]);

const judging = z.strictObject({
  /** The prompt that judgments are sampled with. */
  prompt: promptFolder.default('prompts/pairwise'),
  /** N: judgments sampled for each pair and order; with `until-correct` at most. */
  samples: count.max(1024).default(15),
  strategy: strategy.default({ kind: 'all' }),
  sampling: sampling.default({ temperature: 0.7, topP: 0.9, maxTokens: 4096 }),
});

const humanData = z.strictObject({
  /** The source's name in ids, counts and report. */
  name: z.string().regex(/^[a-z0-9][a-z0-9-]{0,62}$/, 'a name has 1 to 63 small letters, digits or "-"'),
  path,
  /** `preference`: columns prompt, chosen, rejected. `helpsteer2`: two rows a prompt, the more helpful one is better. */
  layout: z.enum(PREFERENCE_LAYOUTS).default('preference'),
  /** Its part of the training set, beside `generatedWeight`: with 0.5 half as many examples as generated ones. */
  weight: positive.default(1),
});

const filtering = z.strictObject({
  /** What is right: the side that the construction makes better, or the one that most of the judge's own verdicts name. */
  target: z.enum(['construction', 'majority-vote']).default('construction'),
  /** Keep an example only where at least this share of its N judgments is right (the released code's option). */
  majorityThreshold: share.gt(0).nullable().default(null),
  /** Right judgments that are kept of an example, at most. */
  judgmentsPerExample: count.max(1024).default(1),
  /** Keep a pair only where it has right judgments in both orders, as many in one as in the other. */
  positionConsistentOnly: z.boolean().default(false),
  /** As many examples that answer A as B, by downsampling. */
  balance: z.boolean().default(true),
  /** Human-labelled pairs that are judged beside the generated ones and mixed in by weight, by downsampling. */
  humanData: z.array(humanData).default([]),
  /** The part of the generated pairs beside `humanData`; 0 trains on human labels alone. */
  generatedWeight: z.number().nonnegative().default(1),
  /** The prompt that kept judgments are trained under; `judging.prompt` by default. */
  trainingPrompt: promptFolder.optional(),
  /** Fewer training examples than this fail the iteration instead of training on next to nothing. */
  minimumExamples: count.default(16),
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

const choosing = z.strictObject({
  /** The benchmark by whose figure the best checkpoint is chosen; the mean of all validation benchmarks by default. */
  benchmark: z.string().min(1).optional(),
  metric: z.enum(['accuracy', 'positionConsistentAccuracy']).default('accuracy'),
});

const earlyStopping = z.strictObject({
  /** Stop after this many iterations in a row without a gain in the figure that `choosing` names. */
  patience: count,
  /** What counts as a gain: more than this above the figure of the last gain, as a share (0.005 is half a point). */
  minimumGain: share.lt(1).default(0),
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
    /** M_0: judged first, and the start of fine-tuning. */
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
  choosing: choosing.prefault({}),
  earlyStopping: earlyStopping.nullable().default(null),
  inference: inference.prefault({}),
  timeouts: timeouts.prefault({}),
  /** `"<iteration>/<stage>"`: set this stage and all that follow aside and do them again. */
  redo: z
    .string()
    .regex(/^\d+\/[a-z-]+$/, 'for example "2/judge-pairs"')
    .optional(),
  /** Pushes the outputs to the Hugging Face hub once the run has its result; without it nothing leaves the store. */
  publish: publish.optional(),
});

/** A configuration with every default filled in. */
export type Configuration = z.output<typeof configurationSchema>;
/** A configuration as a user writes it. */
export type ConfigurationInput = z.input<typeof configurationSchema>;
export type Serving = Configuration['serving'];
export type Sampling = z.output<typeof sampling>;
