import { join } from 'node:path';
import { readTextIfExists, statIfExists } from '../../platform/file-system.ts';
import { FileHashCache } from '../../platform/file-hashes.ts';
import { RESULT_FILE, type TrainingResult } from './job.ts';
import { parseTrainingResult } from './stored-training.ts';

/**
 * The hashes that this process has computed: a model is checked repeatedly, and may have hundreds of
 * gigabytes.
 */
const hashes = new FileHashCache();

/**
 * Reads the result in a training's output folder; undefined before there is one.
 * @throws ArtifactDamaged if the file is not a result: it is never written in parts
 */
export async function readTrainingResult(outputFolder: string): Promise<TrainingResult | undefined> {
  const file = join(outputFolder, RESULT_FILE);
  const text = await readTextIfExists(file);
  return text === undefined ? undefined : parseTrainingResult(text, file);
}

/**
 * Finds damage of the model in a training's output folder by the sizes of its files, or also by their
 * contents.
 */
export async function findModelDamage(
  outputFolder: string,
  { model }: Pick<TrainingResult, 'model'>,
  by: 'sizes' | 'content',
): Promise<string | undefined> {
  for (const { name, bytes, sha256 } of model.files) {
    const file = join(outputFolder, 'model', name);
    const size = (await statIfExists(file))?.size;
    if (size !== bytes) return `${file} has ${size ?? 'no'} bytes instead of ${bytes}`;
    if (by === 'content' && (await hashes.sha256Of(file)) !== sha256)
      return `${file} does not have the sha256 of ${RESULT_FILE}`;
  }
  return undefined;
}
