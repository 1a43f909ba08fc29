/** Moves damaged artifacts away, so that their stage makes them again. */
import { randomUUID } from 'node:crypto';
import {
  fileKey,
  filesOf,
  MANIFEST_FILE,
  manifestKey,
  type ManifestState,
  type Tombstone,
} from './manifest.ts';
import type { ObjectStore } from './objects/object-store.ts';

export const QUARANTINE_SUFFIX = '.quarantined-';
/** The file beside those of a quarantined artifact that contains the reason. */
export const NOTE_FILE = 'quarantine.json';

/**
 * Replaces the manifest of an artifact by a tombstone, and moves its files to `<uri>.quarantined-<uuid>/`, with the reason
 * beside them. Returns false if there is nothing to quarantine, or another attempt was first.
 * @param seen the manifest that was found to be wrong
 */
export async function quarantineArtifact(
  objects: ObjectStore,
  uri: string,
  reason: string,
  seen: ManifestState,
): Promise<boolean> {
  if (seen.kind === 'absent' || seen.kind === 'quarantined') return false;
  const target = `${uri}${QUARANTINE_SUFFIX}${randomUUID()}`;
  const key = manifestKey(uri);
  const found = await objects.get(key);
  const tombstone: Tombstone = { quarantined: { reason, at: new Date().toISOString(), uri: target } };
  if (!(await objects.replaceIfVersion(key, `${JSON.stringify(tombstone)}\n`, seen.version))) return false;
  try {
    await objects.put(`${target}/${NOTE_FILE}`, `${JSON.stringify({ reason })}\n`);
    if (seen.kind === 'manifest')
      for (const name of Object.keys(filesOf(seen.manifest)))
        await objects.move(fileKey(seen.manifest, name), `${target}/${name}`);
    if (found !== undefined) await objects.put(`${target}/${MANIFEST_FILE}`, found.content);
  } catch {
    // The files are kept only for inspection. A disk too full for the note must not prevent the stage from being done
    // again.
  }
  return true;
}

/**
 * Moves all objects below a uri that is no artifact (it has no manifest) to `<uri>.quarantined-<uuid>/`, with the reason
 * beside them. Returns false if there is nothing to move, or another attempt was first.
 * @param last names below `uri`, in the order in which they are moved after all others. They should be what readers look
 * at first: if this process ends meanwhile, a reader still finds the damage, and the rest is moved then.
 */
export async function quarantineFolder(
  objects: ObjectStore,
  uri: string,
  reason: string,
  last: readonly string[],
): Promise<boolean> {
  const target = `${uri}${QUARANTINE_SUFFIX}${randomUUID()}`;
  const names = (await objects.list(uri)).map(({ key }) => key.slice(uri.length + 1));
  const ordered = [
    ...names.filter((name) => !last.includes(name)),
    ...last.filter((name) => names.includes(name)),
  ];
  let isFirst = false;
  for (const name of ordered) if (await objects.move(`${uri}/${name}`, `${target}/${name}`)) isFirst = true;
  // A disk too full for the note must not keep the stage from being made again.
  if (isFirst)
    await objects.put(`${target}/${NOTE_FILE}`, `${JSON.stringify({ reason })}\n`).catch(() => undefined);
  return isFirst;
}
