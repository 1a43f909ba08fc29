import { existsSync } from 'node:fs';
import { glob } from 'node:fs/promises';
import { isAbsolute, join, resolve } from 'node:path';

/** Finds the files that a configuration names on this worker's machine. */
export interface InputFiles {
  /**
   * The roots of relative paths: the worker's folder, then the package with its prompts and examples, then the cache
   * folder with the models that were created for them.
   */
  readonly roots: readonly string[];
}

/** A file that a configuration names doesn't exist. The message names every absolute path that was tried. */
export class InputNotFound extends Error {
  override readonly name = 'InputNotFound';
}

/**
 * Returns the absolute path of a file or folder that a configuration names.
 * @throws InputNotFound
 */
export function resolveInputPath(files: InputFiles, path: string): string {
  const candidates = isAbsolute(path) ? [path] : [...new Set(files.roots.map((root) => resolve(root, path)))];
  const found = candidates.find((candidate) => existsSync(candidate));
  if (found === undefined) throw new InputNotFound(`no such file or folder: ${candidates.join(', nor ')}`);
  return found;
}

/**
 * Finds the files that a path or a pattern (with `*`, `**`, `?`, `[...]` and `{a,b}`, such as `data/*.parquet`)
 * names, as sorted absolute paths. Searches below each root, and returns the matches of the first root that has any.
 * Folders at the beginning that exist under that name are no pattern, whatever characters they have.
 * @throws InputNotFound
 */
export async function resolveInputPaths(files: InputFiles, pattern: string): Promise<string[]> {
  const candidates = isAbsolute(pattern) ? [pattern] : files.roots.map((root) => resolve(root, pattern));
  // A file name may contain such characters literally.
  if (!/[*?[\]{}]/.test(pattern) || candidates.some((path) => existsSync(path)))
    return [resolveInputPath(files, pattern)];
  for (const root of files.roots) {
    const { folder, rest } = literalBeginning(root, pattern);
    const entries = await Array.fromAsync(glob(rest, { cwd: folder, withFileTypes: true }));
    const found = entries.filter((entry) => !entry.isDirectory());
    if (found.length > 0) return found.map(({ parentPath, name }) => join(parentPath, name)).sort();
  }
  throw new InputNotFound(`no file matches ${[...new Set(candidates)].join(', nor ')}`);
}

/** Splits a pattern into its first folders, which exist as they are written, and the pattern below them. */
function literalBeginning(root: string, pattern: string): { folder: string; rest: string } {
  const parts = pattern.split('/');
  let folder = isAbsolute(pattern) ? '/' : root;
  if (isAbsolute(pattern)) parts.shift();
  while (parts.length > 1 && existsSync(join(folder, parts[0] ?? '')))
    folder = join(folder, parts.shift() ?? '');
  return { folder, rest: parts.join('/') };
}
