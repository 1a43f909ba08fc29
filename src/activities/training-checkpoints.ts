import type { TrainingCheckpoint } from '../api/activity-types.ts';
import { candidateFolder, candidateSteps, RESULT_FILE, type TrainingResult } from '../models/training/job.ts';
import {
  findAdapterDamage,
  findModelDamage,
  readTrainingResult,
} from '../models/training/model-integrity.ts';
import { prunedModel } from '../models/training/pruned-model.ts';
import { toStoreCheckpoint } from '../runs/find-checkpoint.ts';
import type { Fingerprint } from '../store/artifact.ts';
import type { ArtifactStore } from '../store/artifact-store.ts';
import { ArtifactDamaged } from '../store/errors.ts';
import { recordFingerprint } from './training-fingerprint.ts';

interface CheckpointSearch {
  readonly everySteps: number;
  /** The fingerprint of the training. A server of an adapter needs it beside the adapter. */
  readonly fingerprint: Fingerprint;
  /** Content takes a second for each GB. */
  readonly checkBy: 'sizes' | 'content';
}

/**
 * The models that a finished training has saved, the last one included, in the order of their steps.
 * @throws ArtifactDamaged if one is missing or damaged, unless it was deleted because another one was chosen
 */
export async function findCheckpoints(
  store: ArtifactStore,
  trainerUri: string,
  last: TrainingResult,
  { everySteps, fingerprint, checkBy }: CheckpointSearch,
): Promise<TrainingCheckpoint[]> {
  const checkpoints: TrainingCheckpoint[] = [];
  for (const step of candidateSteps(everySteps, last.steps)) {
    const uri = `${trainerUri}/${candidateFolder(step)}`;
    const training = store.objectsBelow(uri);
    const result = await readTrainingResult(training);
    if (result === undefined) throw new ArtifactDamaged(`${training.locate(RESULT_FILE)} is missing`);
    if ((await prunedModel(store, uri)) === undefined) {
      const ofAdapter = result.adapter && (await findAdapterDamage(training, result.adapter));
      const damage = ofAdapter ?? (await findModelDamage(training, result, checkBy));
      if (damage !== undefined) throw new ArtifactDamaged(damage);
    }
    await recordFingerprint(store.objects, uri, fingerprint);
    checkpoints.push(checkpointAt(uri, step, result));
  }
  return [...checkpoints, checkpointAt(trainerUri, last.steps, last)];
}

function checkpointAt(uri: string, step: number, { model }: TrainingResult): TrainingCheckpoint {
  return { step, model: { checkpoint: toStoreCheckpoint(`${uri}/model`), sha256: model.sha256 } };
}
