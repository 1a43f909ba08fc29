import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { placeholders, type PromptExample, type PromptTemplate } from '../method/prompt-template.ts';
import { decodeFile, UnknownEncoding } from '../platform/text-encoding.ts';
import { resolveInputPath, type InputFiles } from '../platform/input-files.ts';

/** The fields of a prompt as it is stored with a run. */
export const promptTemplateFields = {
  system: z.string().optional(),
  examples: z.array(z.strictObject({ user: z.string(), assistant: z.string() })).optional(),
  user: z.string(),
};

/** A prompt as it is stored with a run. */
export const promptTemplateSchema: z.ZodType<PromptTemplate> = z.strictObject(promptTemplateFields);

const examplesSchema = z
  .array(z.strictObject({ user: z.string().min(1), assistant: z.string().min(1) }))
  .min(1);

/**
 * Reads a prompt folder: `user.txt`, perhaps `system.txt`, and perhaps `examples.json` with turns between the two,
 * `[{"user": ..., "assistant": ...}]`. Lines end with a newline, and the last
 * newline of a text file is not part of the prompt.
 * @param absent placeholders of other prompts that nothing fills in here: the model would read them as they are
 * @throws Error if a needed placeholder is missing, an absent one is there, or the examples can't be read
 */
export async function readPrompt(
  files: InputFiles,
  path: string,
  needed: readonly string[],
  absent: readonly string[] = [],
): Promise<PromptTemplate> {
  const folder = resolveInputPath(files, path);
  const userFile = join(folder, 'user.txt');
  const systemFile = join(folder, 'system.txt');
  const examplesFile = join(folder, 'examples.json');
  const template: PromptTemplate = {
    user: await readText(userFile),
    ...(existsSync(examplesFile) ? { examples: await readExamples(examplesFile) } : {}),
    ...(existsSync(systemFile) ? { system: await readText(systemFile) } : {}),
  };
  const found = placeholders(template);
  const missing = needed.filter((name) => !found.has(name));
  if (missing.length > 0)
    throw new Error(`${userFile} lacks ${missing.map((name) => `{${name}}`).join(' and ')}`);
  const unfilled = absent.filter((name) => found.has(name)).map((name) => `{${name}}`);
  if (unfilled.length > 0)
    throw new Error(`${folder} has ${unfilled.join(' and ')}, which this prompt doesn't get: remove it`);
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

/** Reads a text file of a prompt, without its last newline. */
export async function readText(file: string): Promise<string> {
  try {
    return decodeFile(await readFile(file))
      .replaceAll('\r\n', '\n')
      .replace(/\n$/, '');
  } catch (error) {
    if (error instanceof UnknownEncoding) throw new Error(`${file}: ${error.message}`, { cause: error });
    throw error;
  }
}
