import { dirname } from 'node:path';
import { roundForIteration } from '../config/fine-tuning.ts';
import { findAdapterDamage, readTrainingResult } from '../models/training/model-integrity.ts';
import type { TrainedAdapter } from '../models/serving/adapters/publish-adapter.ts';
import { storedCheckpointFolder, storeUriOf } from '../runs/find-checkpoint.ts';
import type { ResolvedModels } from '../runs/open-run.ts';
import { ArtifactDamaged } from '../store/errors.ts';
import type { ArtifactStore } from '../store/artifact-store.ts';
import { readTrainingFingerprint } from './training-fingerprint.ts';
import type { Model } from '../api/activity-types.ts';
import type { ModelRole } from '../config/model-roles.ts';

/** An adapter, and what it was trained on. */
export interface AdapterOfSeed {
  readonly adapter: TrainedAdapter;
  /** SHA-256 of the seed model's content at that time. */
  readonly seedSha256: string;
}

/**
 * The adapter by which a judge is served beside the seed model. Undefined for a model that this run has not trained, for one that
 * was trained on another model than the seed model, and for one whose adapter was not saved: those are served whole.
 * @throws ArtifactDamaged if its files are not whole
 */
export async function findTrainedAdapter(
  store: ArtifactStore,
  { fineTuning }: ResolvedModels['configuration'],
  { model, iteration, role }: { readonly model: Model; readonly iteration: number; readonly role: ModelRole },
): Promise<AdapterOfSeed | undefined> {
  const uri = storeUriOf(model.checkpoint);
  if (uri === undefined || role !== 'seed' || iteration === 0 || fineTuning === undefined) return undefined;
  if (iteration > 1 && roundForIteration(fineTuning, iteration).initFrom === 'previous') return undefined;
  const training = store.objectsBelow(dirname(uri));
  const result = await readTrainingResult(training);
  if (result?.adapter === undefined) return undefined;
  const damage = await findAdapterDamage(training, result.adapter);
  if (damage !== undefined) throw new ArtifactDamaged(damage);
  const fingerprint = await readTrainingFingerprint(store.objects, dirname(uri));
  return {
    adapter: {
      folder: await storedCheckpointFolder(store, `${dirname(uri)}/adapter`),
      ...result.adapter,
      canary: result.canary,
    },
    seedSha256: fingerprint['base'] as string,
  };
}
