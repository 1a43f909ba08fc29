import { z } from 'zod';
import { join } from 'node:path';
import { loadBenchmark } from '../benchmarks/registry.ts';
import { promptTemplateSchema, readPrompt } from './read-prompt.ts';
import type { Configuration } from '../config/run-configuration.ts';
import type { PromptTemplate } from '../method/prompt-template.ts';
import type { InputFiles } from '../platform/input-files.ts';

/** The prompts of each benchmark, by the names of the benchmark and of the prompt. */
export type EvaluationPrompts = Readonly<Record<string, Readonly<Record<string, PromptTemplate>>>>;

/** The prompts of benchmarks as they are stored. */
export const evaluationPromptsSchema: z.ZodType<EvaluationPrompts> = z.record(
  z.string(),
  z.record(z.string(), promptTemplateSchema),
);

/** A prompt of a benchmark. */
interface BenchmarkPrompt {
  readonly benchmark: string;
  readonly prompt: string;
  /** The path of the configuration's field that names the folder. */
  readonly path: string;
  readonly folder: string;
  readonly needed: readonly string[];
}

/**
 * The prompts of the configured benchmarks: each is the one that the configuration sets for the benchmark, or else the
 * benchmark's own, or else `evaluation.prompt`.
 */
export async function benchmarkPrompts({
  benchmarks,
  prompt: shared,
}: Configuration['evaluation']): Promise<BenchmarkPrompt[]> {
  const loaded = await Promise.all(benchmarks.map(({ format }) => loadBenchmark(format)));
  return benchmarks.flatMap(({ name, prompt: configured }, index) => {
    const { folder: own, requiredPlaceholders: needed = {} } = loaded[index]?.prompts ?? {};
    const path =
      configured === undefined && own === undefined
        ? 'evaluation.prompt'
        : `evaluation.benchmarks.${index}.prompt`;
    const folder = configured ?? own ?? shared;
    const names = Object.entries(needed);
    return names.map(([prompt, placeholders]) => ({
      benchmark: name,
      prompt,
      path,
      folder: names.length === 1 ? folder : join(folder, prompt),
      needed: placeholders,
    }));
  });
}

export async function readBenchmarkPrompts(
  { files }: { readonly files: InputFiles },
  evaluation: Configuration['evaluation'],
): Promise<EvaluationPrompts> {
  const read: { [benchmark: string]: { [prompt: string]: PromptTemplate } } = {};
  for (const { benchmark, prompt, folder, needed } of await benchmarkPrompts(evaluation)) {
    (read[benchmark] ??= {})[prompt] = await readPrompt(files, folder, needed);
  }
  return read;
}
