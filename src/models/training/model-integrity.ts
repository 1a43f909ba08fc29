import { ObjectHashes } from '../../store/object-hashes.ts';
import type { ObjectStore } from '../../store/objects/object-store.ts';
import { RESULT_FILE, type TrainingResult } from './job.ts';
import { parseTrainingResult } from './stored-training.ts';

/**
 * Reads the result of a training; undefined before there is one.
 * @throws ArtifactDamaged if the object is not a result: it is never written in parts
 */
export async function readTrainingResult(training: ObjectStore): Promise<TrainingResult | undefined> {
  const found = await training.get(RESULT_FILE);
  return found && parseTrainingResult(found.content.toString('utf8'), training.locate(RESULT_FILE));
}

/** Finds damage of a training's model by the sizes of its files, or also by their contents. */
export function findModelDamage(
  training: ObjectStore,
  { model }: Pick<TrainingResult, 'model'>,
  by: 'sizes' | 'content',
): Promise<string | undefined> {
  return findDamage(training, 'model', model, by);
}

/** The same of an adapter. Its contents are checked when it is copied for a server. */
export function findAdapterDamage(
  training: ObjectStore,
  adapter: NonNullable<TrainingResult['adapter']>,
): Promise<string | undefined> {
  return findDamage(training, 'adapter', adapter, 'sizes');
}

async function findDamage(
  training: ObjectStore,
  folder: 'model' | 'adapter',
  { files }: TrainingResult['model'],
  by: 'sizes' | 'content',
): Promise<string | undefined> {
  const hashes = new ObjectHashes(training);
  for (const { name, bytes, sha256 } of files) {
    const key = `${folder}/${name}`;
    const size = (await training.head(key))?.bytes;
    if (size !== bytes) return `${training.locate(key)} has ${size ?? 'no'} bytes instead of ${bytes}`;
    if (by === 'content' && (await hashes.sha256Of(key)) !== sha256)
      return `${training.locate(key)} does not have the sha256 of ${RESULT_FILE}`;
  }
  return undefined;
}
