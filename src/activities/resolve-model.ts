import { createHash } from 'node:crypto';
import { join } from 'node:path';
import type { Model, RunReference } from '../api/activity-types.ts';
import { modelOfRole, type ModelRole } from '../config/model-roles.ts';
import { fileSha256, filesIn } from '../platform/file-hashes.ts';
import {
  findOutsideCheckpoint,
  requireCheckpoint,
  storedCheckpointFolder,
  storeUriOf,
} from '../runs/find-checkpoint.ts';
import { ObjectHashes } from '../store/object-hashes.ts';
import type { ObjectStore } from '../store/objects/object-store.ts';
import { openModels } from '../runs/open-run.ts';
import type { Dependencies } from './dependencies.ts';
import { withHeartbeats } from './heartbeats.ts';

/**
 * Identifies a checkpoint by the hash of its files, so that its artifacts are recognised even if it is moved. A hub id
 * identifies itself.
 */
export function resolveModel(
  deps: Dependencies,
  input: { readonly run: RunReference; readonly role: ModelRole },
): Promise<Model> {
  return withHeartbeats(async () => {
    const { configuration } = await openModels(deps.store, input.run);
    const { checkpoint } = modelOfRole(configuration, input.role);
    return resolveCheckpoint(deps, checkpoint);
  });
}

/** A checkpoint with the hash of its content. */
export async function resolveCheckpoint(
  { store, files }: Pick<Dependencies, 'store' | 'files'>,
  checkpoint: string,
): Promise<Model> {
  const uri = storeUriOf(checkpoint);
  if (uri !== undefined) await requireCheckpoint(store, files, checkpoint);
  if (uri !== undefined && store.objects.isRemote)
    return { checkpoint, sha256: hashOf(await objectHashes(store.objects, uri)) };
  const place =
    uri === undefined
      ? findOutsideCheckpoint(files, checkpoint)
      : { kind: 'folder' as const, path: await storedCheckpointFolder(store, uri) };
  return { checkpoint, sha256: hashOf(place.kind === 'hub' ? [place.id] : await fileHashes(place.path)) };
}

function hashOf(parts: readonly string[]): string {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest('hex');
}

async function fileHashes(folder: string): Promise<string[]> {
  const lines: string[] = [];
  for (const name of await filesIn(folder)) lines.push(`${name} ${await fileSha256(join(folder, name))}\n`);
  return lines;
}

/** The same of objects, without a copy of them on this machine. */
async function objectHashes(objects: ObjectStore, uri: string): Promise<string[]> {
  const hashes = new ObjectHashes(objects);
  const names = (await objects.children(uri)).filter(({ kind }) => kind === 'object').map(({ name }) => name);
  const lines: string[] = [];
  for (const name of names) lines.push(`${name} ${await hashes.sha256Of(`${uri}/${name}`)}\n`);
  return lines;
}
