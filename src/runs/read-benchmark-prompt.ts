import { existsSync } from 'node:fs';
import { join, relative, sep } from 'node:path';
import { z } from 'zod';
import type { PromptTemplate } from '../method/prompt-template.ts';
import { type InputFiles, resolveInputPath } from '../platform/input-files.ts';
import { packageRoot } from '../platform/package-root.ts';
import {
  importedFromSchema,
  PROMPT_SOURCE_FILE,
  type PromptSource,
  promptSourceSchema,
  promptTextHash,
} from './prompt-source.ts';
import { promptTemplateFields, readPrompt, readText } from './read-prompt.ts';

/** The file of a prompt folder with the message that follows a text without a verdict. */
export const FOLLOW_UP_FILE = 'follow-up.txt';

/** A prompt of a benchmark. */
export interface BenchmarkPromptTemplate extends PromptTemplate {
  /** Replaces the benchmark's own message after a text without a verdict. */
  readonly followUp?: string | undefined;
  /** Absent in runs that were stored before it was known. */
  readonly source?: PromptSource | undefined;
}

export const benchmarkPromptSchema: z.ZodType<BenchmarkPromptTemplate> = z.strictObject({
  ...promptTemplateFields,
  followUp: z.string().optional(),
  source: promptSourceSchema.optional(),
});

/**
 * Reads the prompt folder of a benchmark, with where its text comes from.
 * @throws Error if a needed placeholder is missing, a plan for judgments is asked for, or a file can't be read
 */
export async function readBenchmarkPrompt(
  files: InputFiles,
  path: string,
  needed: readonly string[],
): Promise<BenchmarkPromptTemplate & { readonly source: PromptSource }> {
  const template = await readPrompt(files, path, needed, ['plan']);
  const folder = resolveInputPath(files, path);
  const followUpFile = join(folder, FOLLOW_UP_FILE);
  const whole = existsSync(followUpFile) ? { ...template, followUp: await readText(followUpFile) } : template;
  return { ...whole, source: await sourceOf(folder, whole) };
}

/** Returns the prompt without its origin: the part that a judge is asked. */
export function promptText({
  source: _source,
  ...text
}: BenchmarkPromptTemplate): Omit<BenchmarkPromptTemplate, 'source'> {
  return text;
}

async function sourceOf(folder: string, template: PromptTemplate): Promise<PromptSource> {
  const file = join(folder, PROMPT_SOURCE_FILE);
  if (existsSync(file)) {
    const parsed = importedFromSchema.safeParse(await parsedJson(file));
    if (!parsed.success)
      throw new Error(`${file}: ${z.prettifyError(parsed.error)}; import the prompt again`);
    const from = parsed.data;
    return { kind: 'imported', from, isChanged: from.text !== promptTextHash(template) };
  }
  return folder.startsWith(join(packageRoot, 'prompts') + sep)
    ? { kind: 'package', folder: relative(packageRoot, folder).replaceAll(sep, '/') }
    : { kind: 'own' };
}

async function parsedJson(file: string): Promise<unknown> {
  try {
    return JSON.parse(await readText(file));
  } catch (error) {
    throw new Error(`${file}: can't be read as JSON; import the prompt again`, { cause: error });
  }
}
