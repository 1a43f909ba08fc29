import { join } from 'node:path';
import { benchmarkOf } from '../benchmarks/registry.ts';
import { readPrompt } from '../config/input-files.ts';
import type { Configuration } from '../config/schema.ts';
import type { PromptTemplate } from '../judge/prompt-template.ts';
import type { Dependencies } from './dependencies.ts';

/** The prompts of each benchmark by its name, and by the name that the benchmark gives each of them. */
export type EvaluationPrompts = Readonly<Record<string, Readonly<Record<string, PromptTemplate>>>>;

/** A prompt that a benchmark asks with. */
interface BenchmarkPrompt {
  readonly benchmark: string;
  readonly prompt: string;
  /** The configuration's field that decides where it is read. */
  readonly path: string;
  readonly folder: string;
  readonly needed: readonly string[];
}

/** The prompts that the configured benchmarks ask with: the configuration's, else the benchmark's own, else `evaluation.prompt`. */
export function benchmarkPrompts({
  benchmarks,
  prompt: shared,
}: Configuration['evaluation']): BenchmarkPrompt[] {
  return benchmarks.flatMap(({ name, format, prompt: configured }, index) => {
    const { folder: own, needed } = benchmarkOf(format).prompts;
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
  { files }: Pick<Dependencies, 'files'>,
  evaluation: Configuration['evaluation'],
): Promise<EvaluationPrompts> {
  const read: { [benchmark: string]: { [prompt: string]: PromptTemplate } } = {};
  for (const { benchmark, prompt, folder, needed } of benchmarkPrompts(evaluation)) {
    (read[benchmark] ??= {})[prompt] = await readPrompt(files, folder, needed);
  }
  return read;
}
