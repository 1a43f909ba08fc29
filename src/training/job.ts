import { z } from 'zod';
import type { Adapter, Round, Tracker } from '../config/fine-tuning.ts';

/** What to train: the trainer's job file without the token, which is each start's own (`trainer/job.py`). */
export interface TrainingJob {
  readonly schema: 1;
  readonly method: Round['method'];
  /** An absolute folder in Hugging Face layout, or a model hub's id. */
  readonly baseCheckpoint: string;
  /**
   * Absolute path of the training set, JSONL with lists of messages: `{id, prompt, completion}` for SFT,
   * `{id, prompt, chosen, rejected}` for DPO.
   */
  readonly data: string;
  /** Absolute path; belongs to this job alone. */
  readonly outputFolder: string;
  readonly seed: number;
  /** The method's own. */
  readonly hyperparameters: Round['hyperparameters'];
  readonly adapter: Adapter;
  /** CPU threads; null leaves the number to PyTorch. */
  readonly threads: number | null;
  readonly trustRemoteCode: boolean;
  /** How trackers show it. */
  readonly name: string;
  readonly reportTo: readonly Tracker[];
}

/** The files in an output folder that others read too. */
export const PROGRESS_FILE = 'progress.jsonl';
export const RESULT_FILE = 'result.json';

const count = z.int().nonnegative();

/** One line of `progress.jsonl`. */
const progressSchema = z.object({
  step: count,
  totalSteps: count,
  loss: z.number(),
  /** DPO: beta times how much further than the reference the model prefers chosen to rejected; mean of the step. */
  rewardMargin: z.number().optional(),
  /** DPO: share of the step's pairs with a margin above 0. */
  rewardAccuracy: z.number().optional(),
  learningRate: z.number(),
  /** Mean since the trainer's start. */
  tokensPerSecond: z.number(),
  etaSeconds: z.number(),
  time: z.string(),
});
export type TrainingProgress = z.infer<typeof progressSchema>;

/** `lease.json`: the process that trains, and when it last said so. */
export const leaseSchema = z.object({
  host: z.string(),
  bootId: z.string(),
  pid: z.int().positive(),
  startTime: z.string(),
  token: z.string(),
  renewedAt: z.string(),
});
export type TrainingLease = z.infer<typeof leaseSchema>;

/** `exit.json` of one start: how the trainer ended, in its own words. */
export const exitSchema = z.object({ exitCode: z.int(), message: z.string() });
export type TrainingExit = z.infer<typeof exitSchema>;

/** `result.json`: written last, after `model/` is whole. */
export const resultSchema = z.object({
  schema: z.literal(1),
  /** What the weights follow from; `base` is the trainer's own digest of the base checkpoint. */
  identity: z.object({
    method: z.string(),
    seed: z.int(),
    base: z.string(),
    /** SHA-256 of the training set's file. */
    data: z.string(),
    hyperparameters: z.record(z.string(), z.unknown()),
    adapter: z.record(z.string(), z.unknown()),
  }),
  steps: count,
  epochs: z.number(),
  trainExamples: count,
  /** Examples left out because they are longer than `maximumLength`. */
  droppedTooLong: count,
  finalLoss: z.number(),
  /** Of all steps. */
  meanLoss: z.number(),
  /** Of prompts and completions, over all epochs. */
  tokens: count,
  /** In the training loop, over all starts as far as their checkpoints reached. */
  seconds: z.number(),
  resumedFromSteps: z.array(count),
  versions: z.record(z.string(), z.string()),
  model: z.object({
    files: z.array(z.object({ name: z.string(), sha256: z.string(), bytes: count })),
    /** Over `files`. */
    sha256: z.string(),
  }),
});
export type TrainingResult = z.infer<typeof resultSchema>;

/** The last whole line of `progress.jsonl`'s text; a torn line at its end is passed over. */
export function lastProgress(text: string): TrainingProgress | undefined {
  for (const line of text.split('\n').reverse()) {
    const progress = progressIn(line);
    // A torn line, or the empty end of the file: the one before counts.
    if (progress !== undefined) return progress;
  }
  return undefined;
}

/** All whole lines of `progress.jsonl`'s text. */
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
