import { z } from 'zod';
import { join } from 'node:path';
import { loadBenchmark } from '../benchmarks/registry.ts';
import {
  benchmarkPromptSchema,
  type BenchmarkPromptTemplate,
  promptText,
  readBenchmarkPrompt,
} from './read-benchmark-prompt.ts';
import { describePromptSource, promptTextHash } from './prompt-source.ts';
import type { Configuration } from '../config/run-configuration.ts';
import type { InputFiles } from '../platform/input-files.ts';

/** The prompts of each benchmark, by the names of the benchmark and of the prompt. */
export type EvaluationPrompts = Readonly<Record<string, Readonly<Record<string, BenchmarkPromptTemplate>>>>;

/** The prompts of benchmarks as they are stored. */
export const evaluationPromptsSchema: z.ZodType<EvaluationPrompts> = z.record(
  z.string(),
  z.record(z.string(), benchmarkPromptSchema),
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
  const read: { [benchmark: string]: { [prompt: string]: BenchmarkPromptTemplate } } = {};
  for (const { benchmark, prompt, folder, needed } of await benchmarkPrompts(evaluation)) {
    (read[benchmark] ??= {})[prompt] = await readBenchmarkPrompt(files, folder, needed);
  }
  return read;
}

/** The hash of the text of a benchmark's prompts; where they come from doesn't change it. */
export function benchmarkPromptsHash(prompts: EvaluationPrompts, benchmark: string): string {
  const texts = Object.entries(prompts[benchmark] ?? {}).map(([name, template]) => [
    name,
    promptText(template),
  ]);
  return promptTextHash(Object.fromEntries(texts) as Record<string, object>);
}

/** Describes the origins of a benchmark's prompts, by prompt, for its report. */
export function benchmarkPromptSources(
  prompts: EvaluationPrompts,
  benchmark: string,
): { [prompt: string]: string } {
  return Object.fromEntries(
    Object.entries(prompts[benchmark] ?? {}).flatMap(([name, template]) =>
      template.source === undefined
        ? []
        : [[name, describePromptSource(template.source, promptTextHash(promptText(template)))]],
    ),
  );
}
