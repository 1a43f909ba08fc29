import type { z } from 'zod';
import { readTextIfExists } from './file-system.ts';

/**
 * Reads a small JSON file that is written atomically. Undefined if there is no such file, or its content is invalid: the
 * crash of a machine or of a network file system may leave it empty or truncated.
 */
export async function readJsonIfExists<T>(file: string, schema: z.ZodType<T>): Promise<T | undefined> {
  const text = await readTextIfExists(file);
  try {
    return text === undefined ? undefined : schema.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}
