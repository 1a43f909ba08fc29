import type { z } from 'zod';
import type { ObjectStore } from './object-store.ts';

/**
 * Reads a small JSON object. Undefined if there is none, or its content is invalid: the crash of a machine or of a network
 * file system may leave it empty or truncated.
 */
export async function readJsonObject<T>(
  objects: ObjectStore,
  key: string,
  schema: z.ZodType<T>,
): Promise<T | undefined> {
  const found = await objects.get(key);
  try {
    return found === undefined ? undefined : schema.parse(JSON.parse(found.content.toString('utf8')));
  } catch {
    return undefined;
  }
}
