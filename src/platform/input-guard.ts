/** Keeps the files that a configuration names to some folders, also through symbolic links. */
import { existsSync, readdirSync, realpathSync, statSync } from 'node:fs';
import { isAbsolute, join, relative, resolve, sep } from 'node:path';
import { InvalidInput } from './invalid-input.ts';

/** Says what the operator of a worker allows a configuration to read. */
export interface InputGuard {
  /** Absolute folders. Only what is in them is read, and nothing whose name begins with a dot. */
  readonly folders: readonly string[];
  /** @throws InvalidInput if the repository must not be downloaded */
  requireHubRepository(kind: 'models' | 'datasets', repository: string): void;
}

/** A configuration names a file that the operator does not let it read. */
export class InputRefused extends InvalidInput {}

/** A folder with more files is no input, and looking at its links would take long. */
const MAX_ENTRIES = 20_000;

/**
 * Those of some absolute paths that are in the guard's folders by their names. Nothing is looked up on the disk, so that a refusal says
 * nothing about the files outside.
 * @throws InputRefused if there are none
 */
export function insidePaths({ folders }: InputGuard, paths: readonly string[]): string[] {
  const inside = paths.map((path) => resolve(path)).filter((path) => isInside(folders, path));
  const [path = ''] = paths;
  if (inside.length === 0)
    throw new InputRefused(
      `the worker's policy does not allow ${path}, which is in none of its folders (${folders.join(', ')}): the operator can add the folder to dataRoots of the policy file`,
    );
  return inside;
}

/**
 * Checks a file or folder that exists, and everything in the folder, after symbolic links are followed.
 * @throws InputRefused if one leads out of the guard's folders
 */
export function requireInside({ folders }: InputGuard, path: string): void {
  const real = folders.flatMap((folder) => (existsSync(folder) ? [realpathSync(folder)] : []));
  const requireTarget = (link: string) => {
    // A link to nothing can't be read.
    if (!existsSync(link) || isInside(real, realpathSync(link))) return;
    throw new InputRefused(
      `the worker's policy does not allow ${link}, a symbolic link that leads out of its folders: the operator can add the folder that it leads to to dataRoots of the policy file`,
    );
  };
  requireTarget(path);
  if (!statSync(path).isDirectory()) return;
  let entries = 0;
  const visit = (folder: string) => {
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      entries += 1;
      if (entries > MAX_ENTRIES)
        throw new InputRefused(
          `${path} has more than ${MAX_ENTRIES} files: name the folder of the input itself`,
        );
      const inner = join(folder, entry.name);
      if (entry.isSymbolicLink()) requireTarget(inner);
      else if (entry.isDirectory()) visit(inner);
    }
  };
  visit(path);
}

function isInside(folders: readonly string[], path: string): boolean {
  return folders.some((folder) => {
    const inner = relative(folder, path);
    return !isAbsolute(inner) && !inner.split(sep).some((part) => part.startsWith('.'));
  });
}
