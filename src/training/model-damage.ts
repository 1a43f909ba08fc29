import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { ArtifactDamaged } from '../artifacts/errors.ts';
import { FileHashes } from '../artifacts/file-hashes.ts';
import { RESULT_FILE, resultSchema, type TrainingResult } from './job.ts';
import { readIfThere } from './starts.ts';

/** Of this process: a model is looked at again and again, and may be hundreds of gigabytes. */
const hashes = new FileHashes();

/**
 * The result in a training's output folder; undefined before there is one.
 * @throws ArtifactDamaged where it is no result: it is written whole.
 */
export async function readResult(outputFolder: string): Promise<TrainingResult | undefined> {
  try {
    return await readIfThere(join(outputFolder, RESULT_FILE), resultSchema);
  } catch (error) {
    throw new ArtifactDamaged(error instanceof Error ? error.message : String(error));
  }
}

/** What is wrong with the model in a training's output folder, by the sizes of its files or by their content as well. */
export async function modelDamage(
  outputFolder: string,
  { model }: Pick<TrainingResult, 'model'>,
  look: 'sizes' | 'content',
): Promise<string | undefined> {
  for (const { name, bytes, sha256 } of model.files) {
    const file = join(outputFolder, 'model', name);
    const size = await sizeOf(file);
    if (size !== bytes) return `${file} has ${size ?? 'no'} bytes, ${bytes} are right`;
    if (look === 'content' && (await hashes.of(file)) !== sha256)
      return `${file} has another sha256 than ${RESULT_FILE} says`;
  }
  return undefined;
}

/** In bytes; undefined where there is no such file. */
export async function sizeOf(file: string): Promise<number | undefined> {
  try {
    return (await stat(file)).size;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
