import type { ArtifactStore } from '../../store/artifact-store.ts';
import { ArtifactDamaged } from '../../store/errors.ts';
import { RESULT_FILE, resultSchema, type TrainingResult } from './job.ts';

/**
 * The result of a training in the store; undefined before there is one.
 * @throws ArtifactDamaged if it is not a result.
 */
export async function readStoredTraining(
  store: ArtifactStore,
  uri: string,
): Promise<TrainingResult | undefined> {
  const key = `${uri}/${RESULT_FILE}`;
  const text = await store.readText(key);
  return text === undefined ? undefined : parseTrainingResult(text, store.locate(key));
}

/**
 * Parses the content of a training's `result.json`.
 * @throws ArtifactDamaged if it is not a result
 */
export function parseTrainingResult(text: string, file: string): TrainingResult {
  try {
    return resultSchema.parse(JSON.parse(text));
  } catch (error) {
    throw new ArtifactDamaged(`${file} can't be read: ${String(error).replaceAll(/\s+/g, ' ')}`);
  }
}
