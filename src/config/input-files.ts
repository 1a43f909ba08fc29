import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { isAbsolute, join, resolve } from 'node:path';
import { placeholders, type PromptTemplate } from '../judge/prompt-template.ts';

/** Finds the files that a configuration names, on the machine of the worker that asks. */
export interface InputFiles {
  /** Where relative paths begin: the worker's folder, then the package with its prompts and examples. */
  readonly roots: readonly string[];
}

/**
 * The absolute path of a file or folder that a configuration names.
 * @throws Error that names every absolute path that was tried.
 */
export function resolveInput(files: InputFiles, path: string): string {
  const candidates = isAbsolute(path) ? [path] : [...new Set(files.roots.map((root) => resolve(root, path)))];
  const found = candidates.find((candidate) => existsSync(candidate));
  if (found === undefined) throw new Error(`no such file or folder: ${candidates.join(', nor ')}`);
  return found;
}

/**
 * Reads a prompt folder: `user.txt` and perhaps `system.txt`. The one newline that ends a text file is no part of the
 * prompt; a second one is.
 * @throws Error where a needed placeholder is missing.
 */
export async function readPrompt(
  files: InputFiles,
  path: string,
  needed: readonly string[],
): Promise<PromptTemplate> {
  const folder = resolveInput(files, path);
  const userFile = join(folder, 'user.txt');
  const systemFile = join(folder, 'system.txt');
  const template: PromptTemplate = {
    user: await readText(userFile),
    ...(existsSync(systemFile) ? { system: await readText(systemFile) } : {}),
  };
  const there = placeholders(template);
  const missing = needed.filter((name) => !there.has(name));
  if (missing.length > 0)
    throw new Error(`${userFile} lacks ${missing.map((name) => `{${name}}`).join(' and ')}`);
  return template;
}

async function readText(file: string): Promise<string> {
  return (await readFile(file, 'utf8')).replace(/\n$/, '');
}
