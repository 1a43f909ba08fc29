import { basename } from 'node:path';
import { findOutsideCheckpoint, storeUriOf } from '../runs/find-checkpoint.ts';
import type { InputFiles } from '../platform/input-files.ts';
import type { ArtifactStore } from '../store/artifact-store.ts';

/** The name of a model in a card. It is never a path of this machine. */
export interface NamedModel {
  readonly name: string;
  /** Its repository on the hub, if known. */
  readonly repository?: string | undefined;
}

/** The dependencies of `namedModel` for looking up a checkpoint. */
export interface ModelNameAccess {
  readonly store: ArtifactStore;
  readonly files: InputFiles;
}

/** The public name of a checkpoint. A folder in the hub's cache contains its repository: `models--<owner>--<name>/snapshots/<commit>`. */
export function namedModel({ files }: Pick<ModelNameAccess, 'files'>, checkpoint: string): NamedModel {
  const cached = /models--([^/]+)--([^/]+)\/snapshots\//.exec(checkpoint);
  if (cached !== null) {
    const repository = `${cached[1]}/${cached[2]}`;
    return { name: repository, repository };
  }
  if (storeUriOf(checkpoint) !== undefined) return { name: basename(checkpoint) };
  try {
    const place = findOutsideCheckpoint(files, checkpoint);
    if (place.kind === 'hub') return { name: place.id, repository: place.id };
  } catch {
    // The folder may exist only on the machine of the worker with the role gpu.
  }
  return { name: basename(checkpoint) };
}
