/** The size of an iteration's training, before there is a training set. Pure. */
import { roundForIteration } from '../config/fine-tuning.ts';
import { candidateSteps } from '../models/training/job.ts';
import { recipeOf, type Round } from '../models/training/recipes/registry.ts';
import type { Configuration } from '../config/run-configuration.ts';

export interface ExpectedTraining {
  readonly method: Round['method'];
  /** In the training set, including those that the trainer skips because they are longer than `maxLength`. */
  readonly examples: number;
  /** The judgments that the training samples itself; undefined if it samples none. */
  readonly sampledJudgments: number | undefined;
  /** The mean tokens of an example: a prompt with its completion, or both conversations of a preference pair. */
  readonly exampleTokens: number;
  readonly steps: number;
  /** The tokens of prompts and completions over all steps, as the trainer counts them. */
  readonly tokens: number;
  /** The checkpoints that validation chooses among, the last one included; undefined if the last one becomes the judge. */
  readonly checkpoints: number | undefined;
}

/** The tokens of a verdict without reasoning. */
const VERDICT_TOKENS = 4;

/** The inputs that decide the size of a training. */
interface TrainingBasis {
  /** Generated examples that are judged. */
  readonly generated: number;
  /** Human-labelled examples that are judged. */
  readonly human: number;
  /** The share of judgments that are correct. */
  readonly correctShare: number;
  /** The mean tokens of a prompt. */
  readonly prompt: number;
  /** Examples of tasks beyond pairs that are judged, and the mean tokens of their prompts. */
  readonly tasks: readonly { readonly examples: number; readonly prompt: number }[];
  /** The mean tokens of a judgment of at most this length. */
  judgment(this: void, maxTokens: number): number;
  /** Processes that train in parallel. */
  readonly devices: number;
}

/**
 * The examples after rejection sampling, thresholds, position consistency and mixing by weight, without losses to balancing.
 * Steps and tokens follow the same rule as in the trainer (`total_steps` in trainer/fine_tune.py).
 */
export function expectedTraining(
  configuration: Configuration,
  iteration: number,
  basis: TrainingBasis,
): ExpectedTraining {
  const round = roundForIteration(configuration.fineTuning, iteration);
  const { method, selectCheckpoint } = round;
  const { perDeviceBatchSize, gradientAccumulationSteps, epochs, maxSteps } = round.hyperparameters;
  const recipe = recipeOf(round);
  const perJudgedExample = recipe.expectedExamples(configuration, round, basis.correctShare);
  const judged = [{ examples: mixedExamples(configuration, basis), prompt: basis.prompt }, ...basis.tasks];
  const all = judged.reduce((sum, each) => sum + each.examples, 0);
  const examples = Math.round(all * perJudgedExample);
  const prompt =
    basis.tasks.length === 0 || all === 0
      ? basis.prompt
      : judged.reduce((sum, each) => sum + each.examples * each.prompt, 0) / all;
  const sampling = recipe.sampling?.(round);
  const batch = perDeviceBatchSize * basis.devices;
  const stepsInEpoch =
    sampling === undefined
      ? Math.ceil(Math.ceil(examples / batch) / gradientAccumulationSteps)
      : // A step of sampled judgments is not begun without all of them.
        Math.floor((examples * sampling.perExample) / (batch * gradientAccumulationSteps));
  const allSteps = Math.ceil(epochs * stepsInEpoch);
  const steps = Math.min(allSteps, maxSteps ?? allSteps);
  const passes = allSteps === 0 ? 0 : (epochs * steps) / allSteps;
  const sampledJudgments = sampling && steps * batch * gradientAccumulationSteps;
  const judgment = basis.judgment(sampling?.maxTokens ?? configuration.judging.sampling.maxTokens);
  const alone = recipe.verdictsAlone?.(round) ?? 0;
  const answer = (1 - alone) * judgment + alone * Math.min(judgment, VERDICT_TOKENS);
  const exampleTokens = (prompt + answer) * recipe.memory.conversationsPerExample;
  const checkpoints = selectCheckpoint && candidateSteps(selectCheckpoint.everySteps, steps).length + 1;
  return {
    method,
    examples,
    exampleTokens,
    sampledJudgments,
    steps,
    tokens: (sampledJudgments ?? examples * passes) * exampleTokens,
    checkpoints,
  };
}

/** The number of generated and human examples together after mixing by weight. */
function mixedExamples(
  { filtering: { humanData, generatedWeight } }: Configuration,
  { generated, human }: TrainingBasis,
): number {
  if (humanData.length === 0) return generated;
  const humanWeight = humanData.reduce((sum, { weight }) => sum + weight, 0);
  const scales = [human / humanWeight, ...(generatedWeight > 0 ? [generated / generatedWeight] : [])];
  return Math.min(...scales) * (humanWeight + generatedWeight);
}
