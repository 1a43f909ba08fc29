import { z } from 'zod';
import { adapterSchema } from '../models/training/adapter.ts';
import { launcherSchema } from '../models/training/launchers/registry.ts';
import { type Round, roundSchema } from '../models/training/recipes/registry.ts';
import { trackerSchema } from '../models/training/tracker.ts';
import { judgedIteration, judgedSoFar, type ReusedJudgments } from '../method/judged-iterations.ts';
import { partOfIteration, type PairPart } from '../method/pair-parts.ts';
import { positiveInteger } from '../platform/schema-fields.ts';

export const fineTuningSchema = z.strictObject({
  rounds: z
    .array(roundSchema)
    .min(1)
    .prefault([{ method: 'sft' }])
    .describe(
      'The fine-tuning of each iteration: the first iteration uses the first round, and so on; the last round repeats.',
    ),
  adapter: adapterSchema
    .default({ kind: 'none' })
    .describe('Whether all weights are trained, or an adapter.'),
  launcher: launcherSchema
    .default({ kind: 'process', command: ['{python}', '-m', 'trainer', '--job', '{job}'] })
    .describe('How the trainer is started.'),
  gpus: positiveInteger
    .nullable()
    .default(null)
    .describe(
      "How many of the machine's GPUs the trainer uses, with the launcher `process`; null: all. No other run uses them meanwhile.",
    ),
  threads: positiveInteger
    .nullable()
    .default(null)
    .describe('CPU threads of the trainer; null leaves the number to PyTorch.'),
  reportTo: z
    .array(trackerSchema)
    .default(['tensorboard'])
    .describe(
      "The trackers that a training reports to: TensorBoard's files in the run's folder, Weights & Biases, " +
        "MLflow (docs/operations.md). Keys and servers come from the worker's environment.",
    ),
  trustRemoteCode: z.boolean().default(false).describe('Allow code that comes with the checkpoint to run.'),
});

export type FineTuning = z.output<typeof fineTuningSchema>;

/** Which rounds train on the judgments of the iteration before. */
export function reusedJudgments({ rounds }: Pick<FineTuning, 'rounds'>): ReusedJudgments {
  return rounds.map(({ judgments }) => judgments === 'reuse');
}

/** The iteration whose judgments an iteration trains on. */
export function judgmentsOfIteration(fineTuning: Pick<FineTuning, 'rounds'>, iteration: number): number {
  return judgedIteration(reusedJudgments(fineTuning), iteration);
}

/** The part of the pairs that an iteration judges, or whose judgments it reuses. */
export function partOfRun(
  {
    pairs,
    fineTuning,
  }: { readonly pairs: { readonly parts: number }; readonly fineTuning: Pick<FineTuning, 'rounds'> },
  iteration: number,
): PairPart {
  return partOfIteration(pairs.parts, judgedSoFar(reusedJudgments(fineTuning), iteration));
}

/** Returns the round of an iteration (counted from 1). The last round is repeated. */
export function roundForIteration({ rounds }: Pick<FineTuning, 'rounds'>, iteration: number): Round {
  const found = rounds[Math.min(iteration, rounds.length) - 1];
  if (found === undefined) throw new RangeError(`no round for iteration ${iteration}`);
  return found;
}

/** Returns whether the judge of a round learns verdicts alone, and so forgets how to give reasons. */
export function teachesVerdictsAlone(round: Round): boolean {
  const direct = 'direct' in round ? round.direct : undefined;
  return direct?.share === 1 && direct.mode === 'instead';
}
