import { z } from 'zod';
import { processIdentitySchema } from '../../platform/process-identity.ts';
import { positiveInteger, reasoningMarksSchema } from '../../platform/schema-fields.ts';
import { canarySchema } from '../serving/adapters/canary.ts';
import { adapterSchema } from './adapter.ts';
import type { TrainingRecipe } from './recipes/recipe.ts';
import { RECIPES } from './recipes/registry.ts';
import { trackerSchema } from './tracker.ts';

const text = z.string().min(1);
const location = z.string().regex(/^([/]|s3:[/][/])/, 'an absolute path, or an address s3://BUCKET/...');

/** The fields that every job has, independent of its method. */
const jobFields = {
  schema: z.literal(1).describe('The version of this format.'),
  baseCheckpoint: text.describe(
    "A folder in Hugging Face layout (an absolute path, or an address in a bucket), or a model hub's id.",
  ),
  data: location.describe(
    'The training set, an absolute path or an address in a bucket: JSONL with lists of messages; the columns follow from the method.',
  ),
  outputFolder: location.describe(
    'An absolute path, or an address in a bucket; the folder belongs to this job alone.',
  ),
  seed: z
    .int()
    .min(0)
    .max(2 ** 32 - 1)
    .describe('The seed of the order of the examples and of all random numbers.'),
  adapter: adapterSchema.describe('Whether all weights are trained, or an adapter.'),
  threads: positiveInteger.nullable().describe('CPU threads; null leaves the number to PyTorch.'),
  trustRemoteCode: z.boolean().describe('Allow code that comes with the checkpoint to run.'),
  name: text.describe('The name that trackers show.'),
  candidateEverySteps: positiveInteger
    .describe(
      'Also writes the model of every such step before the last one, to `candidates/step-N/`: validation chooses among them and the last one.',
    )
    .optional(),
  reportTo: z.array(trackerSchema).describe('The trackers that the training reports to.'),
  reasoningMarks: reasoningMarksSchema
    .describe('The marks around reasoning; the verdicts of sampled judgments are read behind it.')
    .exactOptional(),
};

/** The job of one method: the shared fields and the hyperparameters of its recipe. */
type JobSchema<Recipe extends TrainingRecipe> = z.ZodObject<
  typeof jobFields & {
    method: Recipe['configuration']['shape']['method'];
    hyperparameters: Recipe['hyperparameters'];
  },
  z.core.$strict
>;
type JobSchemas<Recipes extends readonly TrainingRecipe[]> = {
  [Index in keyof Recipes]: JobSchema<Recipes[Index]>;
};

const jobs = RECIPES.map(({ configuration, hyperparameters }) =>
  z.strictObject({
    ...jobFields,
    method: configuration.shape.method.describe('The training method.'),
    hyperparameters: hyperparameters.describe('The hyperparameters of the method.'),
  }),
) as unknown as JobSchemas<typeof RECIPES>;

/**
 * The description of a training. The fields of a job are declared only here; `npm run schemas` writes
 * trainer/job.schema.json.
 */
export const trainingJobSchema = z.discriminatedUnion('method', jobs);
export type TrainingJob = z.output<typeof trainingJobSchema>;

const startFields = {
  token: text.describe('The token of this start: each start of the trainer has its own.'),
};

/** The trainer's job file: a job and the token of one start. */
export const jobFileSchema = z.discriminatedUnion(
  'method',
  jobs.map((job) => job.extend(startFields)) as unknown as JobSchemas<typeof RECIPES>,
);

/** The files of a training that other modules read too. */
export const LEASE_FILE = 'lease.json';
export const PROGRESS_FILE = 'progress.jsonl';
export const RESULT_FILE = 'result.json';

/** The folder of a model that was saved before the last step: it has a `model/` and a `result.json` as if its training had ended there. */
export function candidateFolder(step: number): string {
  return `candidates/step-${step}`;
}

/** The steps before the last one whose models a training saves. */
export function candidateSteps(everySteps: number, steps: number): number[] {
  const count = Math.max(0, Math.ceil(steps / everySteps) - 1);
  return Array.from({ length: count }, (_, index) => (index + 1) * everySteps);
}

const count = z.int().nonnegative();

/** One line of `progress.jsonl`. */
const progressSchema = z.object({
  step: count,
  totalSteps: count,
  loss: z.number(),
  /**
   * DPO: beta times how much more the model prefers chosen to rejected than the reference does; mean over the
   * step.
   */
  rewardMargin: z.number().optional(),
  /** DPO: share of the step's pairs with a positive margin. */
  rewardAccuracy: z.number().optional(),
  /** GRPO: mean reward of the step's judgments. */
  reward: z.number().optional(),
  /** GRPO: share of the step's prompts whose judgments all have the same reward, and teach nothing. */
  zeroVarianceShare: z.number().optional(),
  /** GRPO: mean tokens of a judgment. */
  completionTokens: z.number().optional(),
  /** GRPO: share of the judgments that were cut at `maxCompletionLength`. */
  truncatedShare: z.number().optional(),
  learningRate: z.number(),
  /** Mean since the trainer's start. */
  tokensPerSecond: z.number(),
  etaSeconds: z.number(),
  time: z.string(),
});
export type TrainingProgress = z.infer<typeof progressSchema>;

/** `lease.json`: the process that trains, and the token of its start. */
export const leaseSchema = processIdentitySchema.extend({
  token: z.string(),
  /** Another text at each renewal, for people the time by the trainer's clock. Clocks of two machines are not compared. */
  renewedAt: z.string(),
});
export type TrainingLease = z.infer<typeof leaseSchema>;

/** `exit.json` of one start: how the trainer ended, as the trainer itself reports it. */
export const exitSchema = z.object({ exitCode: z.int(), message: z.string() });
export type TrainingExit = z.infer<typeof exitSchema>;

const savedFolder = z.object({
  files: z.array(z.object({ name: z.string(), sha256: z.string(), bytes: count })),
  /** Digest of `files`. */
  sha256: z.string(),
});

/** `result.json`: written last, after `model/` is complete. */
export const resultSchema = z.object({
  schema: z.literal(1),
  /** Everything that determines the weights. `base` is the trainer's own digest of the base checkpoint. */
  identity: z.object({
    method: z.string(),
    seed: z.int(),
    base: z.string(),
    /** SHA-256 of the training set's file. */
    data: z.string(),
    hyperparameters: z.record(z.string(), z.unknown()),
    adapter: z.record(z.string(), z.unknown()),
    reasoningMarks: reasoningMarksSchema.exactOptional(),
  }),
  steps: count,
  epochs: z.number(),
  trainExamples: count,
  /** Examples that were left out because they are longer than `maxLength`. */
  droppedTooLong: count,
  finalLoss: z.number(),
  /** Mean over all steps. */
  meanLoss: z.number(),
  /** Tokens of prompts and completions, over all epochs. */
  tokens: count,
  /** Time in the training loop, over all starts, up to the last checkpoint of each. */
  seconds: z.number(),
  resumedFromSteps: z.array(count),
  versions: z.record(z.string(), z.string()),
  model: savedFolder,
  /** Set if a LoRA adapter was saved beside the model that it is merged into. */
  adapter: savedFolder.optional(),
  /** The answers by which a server of the adapter is checked. */
  canary: canarySchema.optional(),
});
export type TrainingResult = z.infer<typeof resultSchema>;

/** The last complete line in the text of `progress.jsonl`. A truncated line at its end is ignored. */
export function lastProgress(text: string): TrainingProgress | undefined {
  for (const line of text.split('\n').reverse()) {
    const progress = progressIn(line);
    // The line is truncated or empty, so the previous one counts.
    if (progress !== undefined) return progress;
  }
  return undefined;
}

/** All complete lines in the text of `progress.jsonl`. */
export function allProgress(text: string): TrainingProgress[] {
  return text.split('\n').flatMap((line) => progressIn(line) ?? []);
}

function progressIn(line: string): TrainingProgress | undefined {
  try {
    return progressSchema.parse(JSON.parse(line));
  } catch {
    return undefined;
  }
}
