/**
 * The progress of a run, the answer of the query `progress`. Readers ignore unknown fields, which newer workers may
 * send.
 */
import { z } from 'zod';
import type { DeepReadonly } from '../platform/deep-readonly.ts';
import { WORKFLOW_STATUSES } from './run-status.ts';
import { DRIFT_STATUSES } from './drift.ts';
import { countsSchema, iterationSummarySchema } from './result.ts';

const count = z.int().nonnegative();
const isoTime = z.string().describe('ISO 8601.');

const status = z
  .enum(WORKFLOW_STATUSES)
  .describe(
    '`joined`: another workflow owns the run, and this one waits for it. `paused`: no new work begins. `finishing`: the result is being written.',
  );

const stage = z.object({
  name: z.string().describe('The name of the stage, for example `judgePairs`.'),
  iteration: count.describe('The iteration; 0 is before the first training.'),
  done: count.describe('The completed amount, if it is known.').exactOptional(),
  total: count.describe('The total amount, if it is known.').exactOptional(),
  unit: z.enum(['shards', 'steps']).describe('The unit of `done` and `total`.').exactOptional(),
  workflowId: z.string().describe('The child workflow that runs the stage, if there is one.').exactOptional(),
  startedAt: isoTime,
  counts: countsSchema.describe('Its counts so far, such as judgments, requests and tokens.').exactOptional(),
  loss: z.number().describe('The loss of the last training step.').exactOptional(),
  stalls: count
    .describe('How often the training made no progress, was stopped and continued; absent if it never did.')
    .exactOptional(),
  estimatedEndAt: isoTime
    .describe('The expected end of the training, from its rate so far. ISO 8601.')
    .exactOptional(),
  remainingSeconds: z
    .number()
    .describe(
      'The expected remaining time, from its rate so far or from its duration in the last iteration; absent while it waits for something.',
    )
    .optional(),
});

const endedStage = z.object({
  name: stage.shape.name,
  iteration: stage.shape.iteration,
  startedAt: isoTime,
  seconds: z.number().nonnegative().describe('How long it took.'),
  counts: countsSchema.describe('Its counts, if it has any.').exactOptional(),
  loss: stage.shape.loss,
});

const seconds = z.number().nonnegative();

/** The time of a machine: it was busy, or idle for one of the reasons. */
export const machineTimesSchema = z.object({
  machine: z.string().describe('The machine that serves and trains for the run.'),
  busySeconds: seconds.describe('The time in which it trained, or a stage asked a model that it serves.'),
  idle: z
    .array(
      z.object({
        reason: z.string().describe('The reason.'),
        seconds: seconds.describe('How long it was idle for this reason.'),
      }),
    )
    .describe('The idle time by reason, the longest first.'),
});

const wait = z.object({
  stage: z.string().describe('The stage that waits, for example `judgePairs`.'),
  iteration: count.describe('Its iteration.'),
  benchmark: z.string().describe('The benchmark, in an evaluation.').exactOptional(),
  reason: z.string().describe('What happened last, and what to do.'),
  since: isoTime,
  workflowId: z.string().describe('The workflow that waits: that of the run, or one of its children.'),
  activity: z.string().describe('The type of the activity that waits.'),
});

const paused = z.object({
  reason: z
    .string()
    .describe(
      'The reason given with the pause. For an exhausted budget: the limit that was reached, and how to raise it.',
    ),
  since: isoTime,
  by: z
    .enum(['user', 'budget'])
    .describe(
      'The cause of the pause. After `user`, the signal `resume` continues the run; after `budget`, the update `setBudget` with a higher limit does.',
    )
    .exactOptional(),
});

const notNegative = z.number().nonnegative();
const usage = z.object({
  tokens: notNegative.describe('Tokens of prompts and answers together.'),
  requests: notNegative.describe('Requests sent to models.'),
  usd: notNegative.describe('USD by the prices of the configuration.'),
  gpuHours: notNegative.describe('GPU hours of fine-tuning.'),
});

const budgetLimit = (description: string) => z.number().positive().describe(description).exactOptional();
const limits = z.object({
  tokens: budgetLimit('Tokens of prompts and answers together.'),
  requests: budgetLimit('Requests sent to models.'),
  usd: budgetLimit('USD by the prices of the configuration.'),
  gpuHours: budgetLimit('GPU hours of fine-tuning.'),
});

const budget = z.object({
  limits: limits.describe('The limits.'),
  usage: usage.describe('The usage over all iterations and starts, as of the last report.'),
  exhausted: paused
    .describe('Set while the budget is exhausted: since when, and how to raise it.')
    .exactOptional(),
});

export const runProgressSchema = z.object({
  runName: z.string().describe('The name in the configuration.'),
  status,
  paused: paused
    .describe('Set during a pause: no new work begins until the run is resumed or its budget is raised.')
    .optional(),
  budget: budget.describe('The budget, if the run has one.').optional(),
  startedAt: isoTime,
  requestedIterations: count.describe(
    'The requested number of iterations; 0 for an evaluation without training.',
  ),
  drift: z
    .enum(DRIFT_STATUSES)
    .describe(
      'The comparison of an evaluation with earlier figures, once it has ended; absent if there is none.',
    )
    .optional(),
  stopAfter: count
    .describe('The iteration after which the run ends, if that is earlier than requested.')
    .optional(),
  stages: z.array(stage).describe('The running stages; several may run at the same time.'),
  endedStages: z
    .array(endedStage)
    .describe(
      'The stages that have ended, of iterations that are not complete, and those that came after the last complete iteration.',
    )
    .optional(),
  machines: z
    .array(machineTimesSchema)
    .describe('The machines that the run was pinned to, with their busy and idle times.')
    .optional(),
  overlaps: z
    .boolean()
    .describe('True if the run judges pairs with a new judge while that is still evaluated.')
    .optional(),
  reusedJudgments: z
    .array(z.boolean())
    .readonly()
    .describe(
      'Which iterations, from the first, train on the judgments of the one before; the last entry also holds for all later ones. Absent if none does.',
    )
    .optional(),
  waits: z
    .array(wait)
    .describe(
      'What the run waits for: activities that have failed three times in a row or for half a minute, that no worker takes, or that wait for an endpoint or a machine. Absent if there is nothing.',
    )
    .optional(),
  counts: z
    .record(z.string(), countsSchema)
    .describe('The counts of each completed stage; for a stage of every iteration, those of the newest one.'),
  completedIterations: z
    .array(iterationSummarySchema)
    .describe('One row for each judge, the seed model first.'),
  best: count.describe('The best iteration so far, by the figure of `modelSelection`.'),
  warnings: z.array(z.string()).describe('Warnings for readers of the figures.'),
  report: z.string().describe('The file:// address of the report, once it exists.').exactOptional(),
  remainingSeconds: z
    .number()
    .describe(
      'The expected remaining time if every iteration takes as long as the last one; absent before the first iteration has ended, and while the run is paused or waits for something.',
    )
    .optional(),
});

/** A running stage. */
export type StageProgress = DeepReadonly<z.output<typeof stage>>;
/** A stage that has ended. */
export type EndedStage = DeepReadonly<z.output<typeof endedStage>>;
/** The busy and idle time of a machine. */
export type MachineTimes = DeepReadonly<z.output<typeof machineTimesSchema>>;
/** A wait of a stage. */
export type Wait = DeepReadonly<z.output<typeof wait>>;
/** The reason and start of a pause. */
export type Paused = DeepReadonly<z.output<typeof paused>>;
/** The limits and usage of a run. */
export type BudgetProgress = DeepReadonly<z.output<typeof budget>>;
export type RunProgress = DeepReadonly<z.output<typeof runProgressSchema>>;
