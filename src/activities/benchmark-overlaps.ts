import { InputProblem } from '../artifacts/errors.ts';
import type { ArtifactReference } from '../artifacts/reference.ts';
import { recordsBehind } from '../artifacts/shards.ts';
import { BenchmarkOverlaps } from '../pools/decontamination.ts';
import type { Dependencies } from './dependencies.ts';

/** A benchmark with its prepared items. */
export interface ComparedBenchmark {
  readonly name: string;
  readonly pairs: ArtifactReference;
}

/** What decides that an instruction is a benchmark's (`decontamination`); null: nothing is compared. */
export type Decontamination = { readonly words: number; readonly fewestWords: number } | null;

/** What the comparison means for a fingerprint: the benchmarks' content. */
export function comparedWith(
  benchmarks: readonly ComparedBenchmark[],
  decontamination: Decontamination,
): Record<string, string> {
  if (decontamination === null) return {};
  return Object.fromEntries(benchmarks.map(({ name, pairs }) => [name, pairs.sha256]));
}

/**
 * Reads the instructions of the benchmarks, so that no judge is trained on what it is tested with.
 * @param field where the configuration can turn the comparison off
 * @throws InputProblem for a benchmark without instructions
 */
export async function overlapsWith(
  { store }: Pick<Dependencies, 'store'>,
  benchmarks: readonly ComparedBenchmark[],
  decontamination: Decontamination,
  field: string,
): Promise<BenchmarkOverlaps | null> {
  if (decontamination === null) return null;
  const overlaps = new BenchmarkOverlaps(decontamination);
  for (const { name, pairs } of benchmarks) {
    for await (const { id, instruction } of recordsBehind<{ id: unknown; instruction?: unknown }>(
      store,
      pairs,
    )) {
      if (typeof instruction !== 'string') {
        throw new InputProblem(
          `benchmark ${name} has rows without an instruction, so nothing can be compared with it: set ` +
            `${field} to null to go on without`,
        );
      }
      overlaps.add(name, String(id), instruction);
    }
  }
  return overlaps;
}
