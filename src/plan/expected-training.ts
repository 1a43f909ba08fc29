/** How large an iteration's training is, before there is a training set. Pure. */
import { roundOf, type Round } from '../config/fine-tuning.ts';
import type { Configuration } from '../config/schema.ts';
import { expectedJudgments, sumOver } from './expected-judgments.ts';

export interface ExpectedTraining {
  readonly method: Round['method'];
  /** In the training set; of these, those longer than `maximumLength` are left out. */
  readonly examples: number;
  /** Mean of one: a prompt with its completion, or both conversations of a preference pair. */
  readonly exampleTokens: number;
  readonly steps: number;
  /** Of prompts and completions, over all steps, as the trainer counts them. */
  readonly tokens: number;
}

/**
 * The training examples that the judgments lead to: of each example what rejection sampling, thresholds and position
 * consistency leave, then mixed by weight. Sides are taken to be in balance, so that balancing leaves all.
 */
export function expectedExamples(
  configuration: Configuration,
  iteration: number,
  judged: { readonly generated: number; readonly human: number; readonly rightShare: number },
): number {
  const round = roundOf(configuration.fineTuning, iteration);
  const each =
    round.method === 'sft'
      ? keptOfExample(configuration, judged.rightShare)
      : preferencesOfExample(configuration, round, judged.rightShare);
  return Math.round(mixed(configuration, judged) * each);
}

/** Judgments that are kept of an example, on average. */
function keptOfExample({ judging, filtering }: Configuration, rightShare: number): number {
  const { judgmentsPerExample, majorityThreshold, positionConsistentOnly } = filtering;
  const { samples } = judging;
  const { rightOf } = expectedJudgments({ ...judging, judgmentsPerExample }, rightShare);
  const fewest = Math.ceil((majorityThreshold ?? 0) * samples);
  const kept = sumOver(samples, (right) =>
    right < fewest ? 0 : Math.min(right, judgmentsPerExample) * rightOf(right, samples),
  );
  if (!positionConsistentOnly) return kept;
  // The other order of the same pair must have a right judgment too.
  return kept * (1 - rightOf(0, samples));
}

/** Preference pairs of an example, on average. */
function preferencesOfExample(
  { judging, filtering }: Configuration,
  { rightness, preferencePairsPerExample: most }: Extract<Round, { method: 'dpo' }>,
  rightShare: number,
): number {
  const { samples, strategy } = judging;
  const { judgmentsPerExample } = filtering;
  const { rightOf } = expectedJudgments({ ...judging, judgmentsPerExample }, rightShare);
  // Sampling that ends early leaves about one right and one wrong judgment.
  const combinations = (right: number) => {
    const all = right * (samples - right);
    return strategy.kind === 'all' ? all : Math.min(1, all);
  };
  const pairs = sumOver(samples, (right) => Math.min(most, combinations(right)) * rightOf(right, samples));
  return rightness === 'both-orders' ? pairs * (1 - rightOf(0, samples)) : pairs;
}

/** Examples that are left of generated and human ones, as one example each. */
function mixed(
  { filtering: { humanData, generatedWeight } }: Configuration,
  { generated, human }: { readonly generated: number; readonly human: number },
): number {
  if (humanData.length === 0) return generated;
  const humanWeight = humanData.reduce((sum, { weight }) => sum + weight, 0);
  const scales = [human / humanWeight, ...(generatedWeight > 0 ? [generated / generatedWeight] : [])];
  return Math.min(...scales) * (humanWeight + generatedWeight);
}

/** Steps and tokens, by the trainer's own rule (total_steps in trainer/fine_tune.py). */
export function expectedTraining(
  { method, hyperparameters }: Round,
  {
    examples,
    conversation,
    devices,
  }: {
    readonly examples: number;
    /** Mean tokens of a prompt with its completion. */
    readonly conversation: number;
    readonly devices: number;
  },
): ExpectedTraining {
  const { batchSize, gradientAccumulation, epochs, maximumSteps } = hyperparameters;
  const stepsOfEpoch = Math.ceil(Math.ceil(examples / (batchSize * devices)) / gradientAccumulation);
  const all = Math.ceil(epochs * stepsOfEpoch);
  const steps = Math.min(all, maximumSteps ?? all);
  const passes = all === 0 ? 0 : (epochs * steps) / all;
  const exampleTokens = conversation * (method === 'dpo' ? 2 : 1);
  return { method, examples, exampleTokens, steps, tokens: examples * passes * exampleTokens };
}
