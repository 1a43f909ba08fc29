/**
 * Where a run is, as the query `progress` answers. What an older worker doesn't tell is not there; what a newer one
 * tells besides is left alone.
 */
import { z } from 'zod';
import type { Immutable } from './immutable.ts';
import { countsSchema, iterationSummarySchema } from './result.ts';

const whole = z.int().nonnegative();
const instant = z.string().describe('ISO 8601.');

const phase = z
  .enum(['planning', 'working', 'following', 'finishing', 'completed', 'failed', 'cancelled'])
  .describe(
    '`following`: another workflow owns the run, and this one waits for it. `finishing`: the result is being written.',
  );

const stage = z.object({
  name: z.string().describe('Such as `judgePairs`.'),
  iteration: whole.describe('0 comes before the first training.'),
  done: whole.describe('How much of it is done, where that is known.').exactOptional(),
  of: whole.describe('How much there is to do, where that is known.').exactOptional(),
  unit: z.enum(['shards', 'steps']).describe('What `done` and `of` count.').exactOptional(),
  workflowId: z.string().describe('The workflow that does it, where it has one of its own.').exactOptional(),
  startedAt: instant,
  counts: countsSchema
    .describe('What it has counted so far, such as judgments, requests and tokens.')
    .exactOptional(),
  loss: z.number().describe("The training's last loss.").exactOptional(),
  stalls: whole
    .describe(
      'How often the training made no progress, was stopped and went on; left out where it never did.',
    )
    .exactOptional(),
  endsAt: instant.describe("When the training ends, by the trainer's pace. ISO 8601.").exactOptional(),
  waits: z
    .string()
    .describe('Why it waits: an endpoint that does not answer, since when, and how often it is asked.')
    .exactOptional(),
  secondsLeft: z.number().describe('By its rate so far, or by how long it took last time.').optional(),
});

const paused = z.object({
  reason: z
    .string()
    .describe('As whoever paused it said; of a budget that is spent, which limit, and how to raise it.'),
  since: instant,
  by: z
    .enum(['person', 'budget'])
    .describe(
      'A person lets it go on by `resume`, a budget that is raised by `setBudget`. Not told by older workers.',
    )
    .exactOptional(),
});

const notNegative = z.number().nonnegative();
const amounts = z.object({
  tokens: notNegative.describe('Of prompts and answers together.'),
  requests: notNegative.describe('Requests sent to models.'),
  usd: notNegative.describe('By the prices of the configuration.'),
  gpuHours: notNegative.describe('Of fine-tuning.'),
});

const limit = (meaning: string) => z.number().positive().describe(meaning).exactOptional();
const limits = z.object({
  tokens: limit('Of prompts and answers together.'),
  requests: limit('Requests sent to models.'),
  usd: limit('By the prices of the configuration.'),
  gpuHours: limit('Of fine-tuning.'),
});

const budget = z.object({
  limits: limits.describe('What it may spend.'),
  spent: amounts.describe('What it has spent, in all its iterations and starts; as of the last report.'),
  reached: paused.describe('Set while the budget is spent: since when, and how to raise it.').exactOptional(),
});

export const runProgressSchema = z.object({
  runName: z.string().describe('As in the configuration.'),
  phase,
  paused: paused.describe('Nothing new begins until it is resumed, or its budget raised.').optional(),
  budget: budget.describe('Where the run has one.').optional(),
  startedAt: instant,
  iterations: whole.describe('Iterations asked for; 0 for an evaluation without training.'),
  stopAfter: whole.describe('The iteration after which the run ends though more were asked for.').optional(),
  stages: z.array(stage).describe('The stages under way.'),
  counts: z
    .record(z.string(), countsSchema)
    .describe("What each stage that has ended counted, the newest iteration's where it is repeated."),
  completed: z.array(iterationSummarySchema).describe('One row for each judge, the seed model first.'),
  best: whole.describe('The best iteration so far, by the figure that the configuration chooses by.'),
  warnings: z.array(z.string()).describe('What a reader of the figures should know.'),
  report: z.string().describe('As a file:// address, once there is one.').exactOptional(),
  secondsLeft: z
    .number()
    .describe(
      'If every iteration takes as long as the last one; left out before the first one has ended, and during a pause.',
    )
    .optional(),
});

export type RunPhase = z.output<typeof phase>;
/** The stage that is under way. */
export type StageProgress = Immutable<z.output<typeof stage>>;
/** Why and since when nothing new begins. */
export type Paused = Immutable<z.output<typeof paused>>;
/** What a run may spend and has spent. */
export type BudgetProgress = Immutable<z.output<typeof budget>>;
export type RunProgress = Immutable<z.output<typeof runProgressSchema>>;
