import { existsSync } from 'node:fs';
import { glob, readFile } from 'node:fs/promises';
import { isAbsolute, join, resolve } from 'node:path';
import { z } from 'zod';
import { placeholders, type PromptExample, type PromptTemplate } from '../judge/prompt-template.ts';

const examplesSchema = z
  .array(z.strictObject({ user: z.string().min(1), assistant: z.string().min(1) }))
  .min(1);

/** Finds the files that a configuration names, on the machine of the worker that asks. */
export interface InputFiles {
  /**
   * Where relative paths begin: the worker's folder, then the package with its prompts and examples, then the cache
   * folder with the models that were made for them.
   */
  readonly roots: readonly string[];
}

/** What a configuration names isn't there; every absolute path that was tried is named. */
export class InputNotFound extends Error {
  override readonly name = 'InputNotFound';
}

/** A file of rows, with the name that its rows are reported under. */
export interface DataFile {
  readonly name: string;
  /** Absolute. */
  readonly path: string;
}

/**
 * The absolute path of a file or folder that a configuration names.
 * @throws InputNotFound
 */
export function resolveInput(files: InputFiles, path: string): string {
  const candidates = isAbsolute(path) ? [path] : [...new Set(files.roots.map((root) => resolve(root, path)))];
  const found = candidates.find((candidate) => existsSync(candidate));
  if (found === undefined) throw new InputNotFound(`no such file or folder: ${candidates.join(', nor ')}`);
  return found;
}

/**
 * The files that a path or a pattern (`data/*.parquet`, with `*`, `**`, `?`, `[...]` and `{a,b}`) names, as absolute
 * paths in order. A pattern is looked for below each root; the first root with a match is the one that is meant.
 * @throws InputNotFound
 */
export async function resolveInputs(files: InputFiles, pattern: string): Promise<string[]> {
  const candidates = isAbsolute(pattern) ? [pattern] : files.roots.map((root) => resolve(root, pattern));
  // A name with such characters may be meant as it stands.
  if (!/[*?[\]{}]/.test(pattern) || candidates.some((path) => existsSync(path)))
    return [resolveInput(files, pattern)];
  for (const root of files.roots) {
    const entries = await Array.fromAsync(glob(pattern, { cwd: root, withFileTypes: true }));
    const found = entries.filter((entry) => !entry.isDirectory());
    if (found.length > 0) return found.map(({ parentPath, name }) => join(parentPath, name)).sort();
  }
  throw new InputNotFound(`no file matches ${[...new Set(candidates)].join(', nor ')}`);
}

/**
 * Reads a prompt folder: `user.txt`, perhaps `system.txt`, and perhaps `examples.json` with turns that stand between
 * them, `[{"user": ..., "assistant": ...}]`. The one newline that ends a text file is no part of the prompt; a second one is.
 * @throws Error where a needed placeholder is missing, or the examples can't be read.
 */
export async function readPrompt(
  files: InputFiles,
  path: string,
  needed: readonly string[],
): Promise<PromptTemplate> {
  const folder = resolveInput(files, path);
  const userFile = join(folder, 'user.txt');
  const systemFile = join(folder, 'system.txt');
  const examplesFile = join(folder, 'examples.json');
  const template: PromptTemplate = {
    user: await readText(userFile),
    ...(existsSync(examplesFile) ? { examples: await readExamples(examplesFile) } : {}),
    ...(existsSync(systemFile) ? { system: await readText(systemFile) } : {}),
  };
  const there = placeholders(template);
  const missing = needed.filter((name) => !there.has(name));
  if (missing.length > 0)
    throw new Error(`${userFile} lacks ${missing.map((name) => `{${name}}`).join(' and ')}`);
  return template;
}

async function readExamples(file: string): Promise<PromptExample[]> {
  const text = await readText(file);
  try {
    return examplesSchema.parse(JSON.parse(text));
  } catch (error) {
    const reason = error instanceof z.ZodError ? z.prettifyError(error) : String(error);
    throw new Error(`${file}: expected [{"user": text, "assistant": text}, ...]: ${reason}`, {
      cause: error,
    });
  }
}

async function readText(file: string): Promise<string> {
  return (await readFile(file, 'utf8')).replace(/\n$/, '');
}
