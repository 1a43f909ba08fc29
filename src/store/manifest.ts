import { z } from 'zod';
import type { Fingerprint, Manifest } from './artifact.ts';
import { ArtifactDamaged } from './errors.ts';
import type { ObjectStore } from './objects/object-store.ts';

export const MANIFEST_FILE = 'manifest.json';
export const RECORDS_FILE = 'records.jsonl';

const count = z.int().nonnegative();
const byName = z.record(z.string(), z.string());

const manifestSchema = z.object({
  schema: z.literal(1),
  uri: z.string(),
  sha256: z.string(),
  records: count,
  bytes: count,
  fingerprint: z.record(z.string(), z.unknown()).transform((fields) => fields as Fingerprint),
  counts: z.record(z.string(), z.number()),
  summary: z.unknown().optional(),
  files: byName.optional(),
  storedAs: byName.optional(),
  createdAt: z.string(),
  createdOn: z.string(),
}) satisfies z.ZodType<Manifest>;

/** The object in place of a damaged artifact's manifest, until the artifact is published again. */
export const tombstoneSchema = z.strictObject({
  quarantined: z.object({ reason: z.string(), at: z.string(), uri: z.string() }),
});
export type Tombstone = z.output<typeof tombstoneSchema>;

/** The object in the place of an artifact's manifest. */
export type ManifestState =
  | { readonly kind: 'absent' }
  | { readonly kind: 'quarantined'; readonly version: string }
  | { readonly kind: 'invalid'; readonly version: string; readonly reason: string }
  | { readonly kind: 'manifest'; readonly version: string; readonly manifest: Manifest };

export function manifestKey(uri: string): string {
  return `${uri}/${MANIFEST_FILE}`;
}

export async function readManifestState(objects: ObjectStore, uri: string): Promise<ManifestState> {
  const found = await objects.get(manifestKey(uri));
  if (found === undefined) return { kind: 'absent' };
  const { content, version } = found;
  try {
    const json: unknown = JSON.parse(content.toString('utf8'));
    if (tombstoneSchema.safeParse(json).success) return { kind: 'quarantined', version };
    return { kind: 'manifest', version, manifest: manifestSchema.parse(json) };
  } catch (error) {
    const reason = error instanceof z.ZodError ? z.prettifyError(error) : String(error);
    return {
      kind: 'invalid',
      version,
      reason: `${objects.locate(manifestKey(uri))} is not a manifest: ${reason.replaceAll(/\s+/g, ' ')}`,
    };
  }
}

/**
 * Returns the manifest of an artifact; undefined if there is none, or the artifact was found damaged.
 * @throws ArtifactDamaged if the object is not a manifest
 */
export async function readManifest(objects: ObjectStore, uri: string): Promise<Manifest | undefined> {
  const state = await readManifestState(objects, uri);
  if (state.kind === 'invalid') throw new ArtifactDamaged(state.reason);
  return state.kind === 'manifest' ? state.manifest : undefined;
}

/** Name and SHA-256 of every file of an artifact. */
export function filesOf({ sha256, files }: Manifest): Readonly<Record<string, string>> {
  return { ...files, [RECORDS_FILE]: sha256 };
}

/** The key of one file of an artifact. */
export function fileKey({ uri, storedAs }: Pick<Manifest, 'uri' | 'storedAs'>, name: string): string {
  return `${uri}/${storedAs?.[name] ?? name}`;
}
