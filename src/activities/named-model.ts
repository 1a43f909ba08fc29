import { basename } from 'node:path';
import { findCheckpoint } from '../config/checkpoint.ts';
import type { NamedModel } from '../outputs/model-card.ts';
import type { Dependencies } from './dependencies.ts';

/** What a model is called outside of this machine. A folder in the hub's own cache tells its repository: `models--<owner>--<name>/snapshots/<commit>`. */
export function namedModel(
  { store, files }: Pick<Dependencies, 'store' | 'files'>,
  checkpoint: string,
): NamedModel {
  const cached = /models--([^/]+)--([^/]+)\/snapshots\//.exec(checkpoint);
  if (cached !== null) {
    const repository = `${cached[1]}/${cached[2]}`;
    return { name: repository, repository };
  }
  try {
    const place = findCheckpoint(store, files, checkpoint);
    if (place.kind === 'hub') return { name: place.id, repository: place.id };
  } catch {
    // The folder may be on the machine of the role gpu alone.
  }
  return { name: basename(checkpoint) };
}
