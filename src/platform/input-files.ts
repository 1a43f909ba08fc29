import { existsSync } from 'node:fs';
import { glob } from 'node:fs/promises';
import { isAbsolute, join, resolve } from 'node:path';
import { cacheFolder } from './cache-folder.ts';
import { type InputGuard, insidePaths, requireInside } from './input-guard.ts';
import { packageRoot } from './package-root.ts';

/** Finds the files that a configuration names on this worker's machine. */
export interface InputFiles {
  /**
   * The roots of relative paths: the worker's folder, then the package with its prompts and examples, then the cache
   * folder with the models that were created for them.
   */
  readonly roots: readonly string[];
  /** Limits what is read to what the operator allows; everything may be read if undefined. */
  readonly guard?: InputGuard | undefined;
}

/** The roots of a process that makes or checks a run. */
export function inputRoots(environment: Readonly<Record<string, string | undefined>>): string[] {
  return [process.cwd(), packageRoot, cacheFolder(environment, process.platform)];
}

/** A file that a configuration names doesn't exist. The message names every absolute path that was tried. */
export class InputNotFound extends Error {
  override readonly name = 'InputNotFound';
}

/**
 * Returns the absolute path of a file or folder that a configuration names.
 * @throws InputNotFound, InputRefused
 */
export function resolveInputPath(files: InputFiles, path: string): string {
  const candidates = allowedPaths(files, path);
  const found = candidates.find((candidate) => existsSync(candidate));
  if (found !== undefined && files.guard !== undefined) requireInside(files.guard, found);
  if (found === undefined) throw new InputNotFound(`no such file or folder: ${candidates.join(', nor ')}`);
  return found;
}

/**
 * Finds the files that a path or a pattern (with `*`, `**`, `?`, `[...]` and `{a,b}`, such as `data/*.parquet`)
 * names, as sorted absolute paths. Searches below each root, and returns the matches of the first root that has any.
 * Folders at the beginning that exist under that name are no pattern, whatever characters they have.
 * @throws InputNotFound, InputRefused
 */
export async function resolveInputPaths(files: InputFiles, pattern: string): Promise<string[]> {
  const candidates = allowedPaths(files, pattern);
  // A file name may contain such characters literally.
  if (!/[*?[\]{}]/.test(pattern) || candidates.some((path) => existsSync(path)))
    return [resolveInputPath(files, pattern)];
  for (const root of files.roots) {
    const { folder, rest } = literalBeginning(root, pattern);
    // A pattern such as `{..,x}` begins to search outside.
    if (files.guard !== undefined && !isSearched(files.guard, folder, rest)) continue;
    const entries = await Array.fromAsync(glob(rest, { cwd: folder, withFileTypes: true }));
    const found = entries.filter((entry) => !entry.isDirectory());
    const paths = found.map(({ parentPath, name }) => join(parentPath, name)).sort();
    if (files.guard !== undefined) {
      const { guard } = files;
      for (const path of paths) insidePaths(guard, [path]).forEach((inside) => requireInside(guard, inside));
    }
    if (paths.length > 0) return paths;
  }
  throw new InputNotFound(`no file matches ${[...new Set(candidates)].join(', nor ')}`);
}

/** The absolute paths that a path may mean, without those that the operator doesn't allow. */
function allowedPaths({ roots, guard }: InputFiles, path: string): string[] {
  const candidates = isAbsolute(path) ? [path] : [...new Set(roots.map((root) => resolve(root, path)))];
  return guard === undefined ? candidates : insidePaths(guard, candidates);
}

/** Returns whether a pattern below a folder finds only files in the guard's folders. */
function isSearched(guard: InputGuard, folder: string, rest: string): boolean {
  if (rest.split(/[/{},]/).includes('..')) return false;
  try {
    return insidePaths(guard, [folder]).length > 0;
  } catch {
    return false;
  }
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
