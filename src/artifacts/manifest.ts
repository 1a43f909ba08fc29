import { join } from 'node:path';
import { z } from 'zod';
import { ArtifactDamaged } from './errors.ts';
import { readTextIfThere } from './on-disk.ts';
import type { Fingerprint, Manifest } from './reference.ts';

export const MANIFEST_FILE = 'manifest.json';

const count = z.int().nonnegative();

const manifestSchema = z.object({
  schema: z.literal(1),
  uri: z.string(),
  sha256: z.string(),
  records: count,
  bytes: count,
  fingerprint: z.record(z.string(), z.unknown()).transform((fields) => fields as Fingerprint),
  counts: z.record(z.string(), z.number()),
  summary: z.unknown().optional(),
  files: z.record(z.string(), z.string()).optional(),
  madeAt: z.string(),
  madeOn: z.string(),
}) satisfies z.ZodType<Manifest>;

/**
 * The manifest in an artifact's folder, or undefined where there is none.
 * @throws ArtifactDamaged where it is no manifest.
 */
export async function readManifest(folder: string): Promise<Manifest | undefined> {
  const file = join(folder, MANIFEST_FILE);
  const text = await readTextIfThere(file);
  if (text === undefined) return undefined;
  try {
    return manifestSchema.parse(JSON.parse(text));
  } catch (error) {
    const reason = error instanceof z.ZodError ? z.prettifyError(error) : String(error);
    throw new ArtifactDamaged(`${file} is no manifest: ${reason.replaceAll(/\s+/g, ' ')}`);
  }
}
