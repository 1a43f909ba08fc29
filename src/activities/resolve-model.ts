import { createHash } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Model, RunReference } from '../api/activity-types.ts';
import { modelOfRole, type ModelRole } from '../config/model-roles.ts';
import { fileSha256 } from '../platform/file-hashes.ts';
import { withCheckpoint } from '../runs/find-checkpoint.ts';
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
  return withCheckpoint(store, files, checkpoint, async (place) => {
    const hash = createHash('sha256');
    if (place.kind === 'hub') hash.update(place.id);
    else {
      const entries = await readdir(place.path, { withFileTypes: true });
      const names = entries.filter((entry) => entry.isFile()).map(({ name }) => name);
      for (const name of names.sort()) hash.update(`${name} ${await fileSha256(join(place.path, name))}\n`);
    }
    return { checkpoint, sha256: hash.digest('hex') };
  });
}
