import type { RunEstimate } from '../api/estimate.ts';
import { roundForIteration } from '../config/fine-tuning.ts';
import { keepsAdapter } from '../config/model-roles.ts';
import type { Preference } from '../datasets/read-preferences.ts';
import type { UserRequest } from '../method/conversation.ts';
import type { ModelShape } from '../models/training/model-shape.ts';
import { trainedParameters } from '../models/training/training-memory.ts';
import type { Problem } from '../platform/problem.ts';
import type { ArtifactStore } from '../store/artifact-store.ts';
import type { ExpectedStage, RunFacts } from './expected-usage.ts';

interface DiskInput extends RunFacts {
  readonly stages: readonly ExpectedStage[];
  /** Undefined if the size of the model is unknown: judges and checkpoints then count 0 bytes. */
  readonly shape: ModelShape | undefined;
}

/** JSON around the text of a record: ids, verdicts, names of fields. */
const BYTES_PER_RECORD = 150;
/** The store has a training set in the form for the trainer, and exported as JSONL and Parquet. */
const COPIES_OF_A_TRAINING_SET = 2.3;
/** Float32 weights, and two means of AdamW, of each trained parameter. */
const CHECKPOINT_BYTES_PER_PARAMETER = 12;
const FLOAT32_BYTES = 4;

/** The bytes that the run writes to the store, and the free space there. */
export async function estimateDisk(
  store: ArtifactStore,
  input: DiskInput,
): Promise<NonNullable<RunEstimate['disk']>> {
  const artifactsBytes = Math.round(textBytes(input));
  const modelsBytes = Math.round(input.configuration.iterations * judgeBytes(input));
  const checkpointsBytes = Math.round(checkpointBytes(input) + candidateBytes(input));
  const freeBytes = await store.objects.freeBytes().catch(() => undefined);
  return {
    artifactsBytes,
    modelsBytes,
    checkpointsBytes,
    neededBytes: artifactsBytes + modelsBytes + checkpointsBytes,
    ...(freeBytes === undefined ? {} : { freeBytes }),
  };
}

/** A problem if the store's disk has less free space than the run needs. */
export function diskSpaceProblems(
  store: ArtifactStore,
  { neededBytes, freeBytes }: NonNullable<RunEstimate['disk']>,
): Problem[] {
  if (freeBytes === undefined || freeBytes >= neededBytes) return [];
  const gigabytes = (bytes: number) => `${(bytes / 1e9).toFixed(1)} GB`;
  const message = `${store.address} has ${gigabytes(freeBytes)} left, and the run needs about ${gigabytes(neededBytes)}: free some space, or name another store in SELF_TAUGHT_EVALUATOR_STORE`;
  return [{ path: 'store', message }];
}

/** Instructions, pairs, judgments, evaluations, and training sets with their exports. */
function textBytes(input: DiskInput): number {
  const { stages } = input;
  const { charactersPerToken } = input.sizes;
  const { instructions = 0, selected = 0, pairs } = input.counts;
  const categorizes = stages.some(({ stage }) => stage === 'categorizeInstructions');
  const requests = (categorizes ? 2 : 1) * instructions + selected;
  const { instruction, responses } = meanCharacters(input);
  const ofStages = stages.map(({ stage, usage, training }) => {
    if (training !== undefined) {
      const ofExample = BYTES_PER_RECORD + training.exampleTokens * charactersPerToken;
      return COPIES_OF_A_TRAINING_SET * training.examples * ofExample;
    }
    // Only the category or complexity is stored, not the model's answer.
    if (stage === 'categorizeInstructions') return 0;
    return usage.answers * BYTES_PER_RECORD + usage.completionTokens * charactersPerToken;
  });
  return ofStages.reduce(
    (sum, bytes) => sum + bytes,
    (requests + pairs) * (instruction + BYTES_PER_RECORD) + pairs * responses,
  );
}

/** The mean characters of an instruction, and of both provided responses together (0 if the run generates them). */
function meanCharacters({ configuration, inputs, assumptions, sizes }: DiskInput) {
  const sample: readonly (UserRequest & Partial<Preference>)[] = inputs.source?.sample ?? [];
  if (sample.length === 0) {
    const responses = configuration.pairs.kind === 'provided' ? 2 * assumptions.value('responseTokens') : 0;
    return {
      instruction: assumptions.value('instructionTokens') * sizes.charactersPerToken,
      responses: responses * sizes.charactersPerToken,
    };
  }
  const mean = (text: (request: (typeof sample)[number]) => string) =>
    sample.reduce((sum, request) => sum + text(request).length, 0) / sample.length;
  return {
    instruction: mean(({ instruction }) => instruction),
    responses: mean(({ chosen = '', rejected = '' }) => chosen + rejected),
  };
}

/** The bytes of a judge, which has the data type of the seed model, and of its adapter if that is saved too. */
function judgeBytes({ configuration, shape }: DiskInput): number {
  if (shape === undefined) return 0;
  const { adapter } = configuration.fineTuning;
  return shape.bytes + (keepsAdapter(configuration) ? FLOAT32_BYTES * trainedParameters(shape, adapter) : 0);
}

/** The most checkpoints at once: those that are kept, and the one that is written before the oldest is deleted. */
function checkpointBytes({ configuration: { fineTuning }, stages, shape }: DiskInput): number {
  if (shape === undefined) return 0;
  const numbers = stages.map(({ iteration, training }) => {
    if (training === undefined) return 0;
    const { saveSteps, saveTotalLimit } = roundForIteration(fineTuning, iteration).hyperparameters;
    return Math.min(Math.floor(training.steps / saveSteps), saveTotalLimit + 1);
  });
  const each = CHECKPOINT_BYTES_PER_PARAMETER * trainedParameters(shape, fineTuning.adapter);
  return each * Math.max(0, ...numbers);
}

/** The most models at once that validation chooses among, beside the one that becomes the judge. */
function candidateBytes(input: DiskInput): number {
  const counts = input.stages.map(({ training }) => (training?.checkpoints ?? 1) - 1);
  return Math.max(0, ...counts) * judgeBytes(input);
}
