import type { StageName } from '../api/stages.ts';
import type { Model } from '../api/activity-types.ts';
import { roundForIteration } from '../config/fine-tuning.ts';
import type { Configuration } from '../config/run-configuration.ts';
import { canonicalJson } from '../platform/canonical-json.ts';
import { fieldDifferences } from '../platform/field-differences.ts';
import type { ArtifactReference, Fingerprint } from '../store/artifact.ts';
import { ArtifactDamaged, FingerprintMismatch } from '../store/errors.ts';
import type { ObjectStore } from '../store/objects/object-store.ts';

/** The fingerprint of an iteration's training: everything that decides its weights. */
export function trainingFingerprint(
  { seed, fineTuning }: Configuration,
  { iteration, base, trainingSet }: TrainingInput,
): Fingerprint {
  const { method, hyperparameters, selectCheckpoint } = roundForIteration(fineTuning, iteration);
  return {
    schema: 1,
    stage: 'fineTune' satisfies StageName,
    method,
    hyperparameters,
    adapter: fineTuning.adapter,
    seed,
    base: base.sha256,
    trainingSet: trainingSet.sha256,
    ...(selectCheckpoint === undefined ? {} : { selectCheckpoint }),
  };
}

/** The fingerprint of a judge that validation chose among the checkpoints of its training: the chosen step belongs to it. */
export function selectedJudgeFingerprint(
  { modelSelection: { benchmark, metric } }: Configuration,
  training: Fingerprint,
  step: number,
): Fingerprint {
  return { ...training, modelSelection: { benchmark: benchmark ?? null, metric }, step };
}

/**
 * Checks that a judge that was chosen before was chosen from this training. A damaged fingerprint is left to the stage that
 * chooses.
 * @throws FingerprintMismatch
 */
export async function requireSelectedFrom(
  objects: ObjectStore,
  uri: string,
  configuration: Configuration,
  training: Fingerprint,
): Promise<void> {
  const found = await readTrainingFingerprint(objects, uri).catch(() => undefined);
  if (found === undefined) return;
  const expected = selectedJudgeFingerprint(configuration, training, Number(found['step'] ?? NaN));
  if (fieldDifferences(found, expected).length > 0) throw new FingerprintMismatch(uri, found, expected);
}

export const FINGERPRINT_FILE = 'fingerprint.json';

/** The key of the fingerprint of a training. */
export function trainingFingerprintKey(uri: string): string {
  return `${uri}/${FINGERPRINT_FILE}`;
}

/** The part of the input that a training's fingerprint contains. */
export interface TrainingInput {
  readonly iteration: number;
  readonly base: Pick<Model, 'sha256'>;
  readonly trainingSet: Pick<ArtifactReference, 'sha256'>;
}

/**
 * Records the fingerprint of a training, before its first step.
 * @throws FingerprintMismatch if it was begun with another one
 */
export async function recordFingerprint(
  objects: ObjectStore,
  uri: string,
  fingerprint: Fingerprint,
): Promise<void> {
  const key = trainingFingerprintKey(uri);
  if (await objects.putIfAbsent(key, `${canonicalJson(fingerprint)}\n`)) return;
  const found = await readTrainingFingerprint(objects, uri);
  if (fieldDifferences(found, fingerprint).length > 0) throw new FingerprintMismatch(uri, found, fingerprint);
}

/**
 * Reads the fingerprint of a training that was begun.
 * @throws ArtifactDamaged
 */
export async function readTrainingFingerprint(objects: ObjectStore, uri: string): Promise<Fingerprint> {
  const key = trainingFingerprintKey(uri);
  try {
    return JSON.parse((await objects.get(key))?.content.toString('utf8') ?? '') as Fingerprint;
  } catch {
    // Without its fingerprint the training can't be recognised.
    throw new ArtifactDamaged(`${objects.locate(key)} is not JSON`);
  }
}
