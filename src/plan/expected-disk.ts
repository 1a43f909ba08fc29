/** What a run leaves in the store, and what it needs besides while it trains. Pure. */
import { roundOf } from '../config/fine-tuning.ts';
import { generationIn } from '../config/pair-source.ts';
import type { Configuration } from '../config/schema.ts';
import type { ExpectedCounts, ExpectedStage } from './expected-usage.ts';
import type { ModelShape } from './model-shape.ts';
import { trainedParameters } from './training-memory.ts';

export interface ExpectedDisk {
  /** Instructions, pairs, judgments, training sets with their exports, evaluations. */
  readonly artifactsBytes: number;
  /** The judges, which stay: one an iteration. */
  readonly modelsBytes: number;
  /** Checkpoints to go on from, at most at once; they go when the judge is whole. 0 where the model isn't known. */
  readonly checkpointsBytes: number;
  /** All of it at its most. */
  readonly neededBytes: number;
}

export interface DiskInput {
  readonly configuration: Configuration;
  readonly counts: ExpectedCounts;
  readonly stages: readonly ExpectedStage[];
  readonly shape: ModelShape | undefined;
  readonly charactersPerToken: number;
  /** Mean of an instruction. */
  readonly instructionCharacters: number;
  /** Mean of both responses of a pair together that no model writes: 0 where pairs are made. */
  readonly givenCharacters: number;
}

/** Ids, verdicts and names around the texts, as JSON. */
const BYTES_OF_A_RECORD = 150;
/** A training set stands in the store as it is trained on, and for other programs as JSONL and Parquet. */
const COPIES_OF_A_TRAINING_SET = 2.3;
/** Float32 weights, and AdamW's two means of those that are trained. */
const BYTES_OF_A_PARAMETER = 12;
const FLOAT32 = 4;

export function expectedDisk(input: DiskInput): ExpectedDisk {
  const artifactsBytes = textBytes(input);
  const modelsBytes = input.configuration.iterations * modelBytes(input);
  const checkpointsBytes = checkpoints(input);
  return {
    artifactsBytes,
    modelsBytes,
    checkpointsBytes,
    neededBytes: artifactsBytes + modelsBytes + checkpointsBytes,
  };
}

function textBytes({
  configuration,
  counts: { pool, pairs },
  stages,
  charactersPerToken,
  instructionCharacters,
  givenCharacters,
}: DiskInput): number {
  const { categories, complexity } = generationIn(configuration)?.instructions ?? {};
  const categorizes = (categories ?? complexity ?? null) !== null;
  const instructions = pool === undefined ? 0 : (categorizes ? 2 : 1) * pool.instructions + pool.selected;
  const ofStages = stages.map(({ stage, usage, training }) => {
    if (training !== undefined) {
      const { examples, exampleTokens } = training;
      const set = examples * (BYTES_OF_A_RECORD + exampleTokens * charactersPerToken);
      return COPIES_OF_A_TRAINING_SET * set;
    }
    // What a model is asked about the pool leaves a word.
    if (stage === 'categorizeInstructions') return 0;
    return usage.answers * BYTES_OF_A_RECORD + usage.completionTokens * charactersPerToken;
  });
  const texts =
    (instructions + pairs) * (instructionCharacters + BYTES_OF_A_RECORD) + pairs * givenCharacters;
  return texts + ofStages.reduce((sum, each) => sum + each, 0);
}

/** A judge is saved in the seed model's own type. */
function modelBytes({ configuration: { fineTuning }, shape }: DiskInput): number {
  if (shape === undefined) return 0;
  const { adapter } = fineTuning;
  const kept = adapter.kind === 'lora' && adapter.keep ? FLOAT32 * trainedParameters(shape, adapter) : 0;
  return shape.bytes + kept;
}

/** The newest ones that are kept, and the one that is written before the oldest goes. */
function checkpoints({ configuration, stages, shape }: DiskInput): number {
  if (shape === undefined) return 0;
  const { fineTuning } = configuration;
  const each = BYTES_OF_A_PARAMETER * trainedParameters(shape, fineTuning.adapter);
  const most = stages.map(({ iteration, training }) => {
    if (training === undefined) return 0;
    const { checkpointEverySteps, keepCheckpoints } = roundOf(fineTuning, iteration).hyperparameters;
    return Math.min(Math.floor(training.steps / checkpointEverySteps), keepCheckpoints + 1);
  });
  return each * Math.max(0, ...most);
}
