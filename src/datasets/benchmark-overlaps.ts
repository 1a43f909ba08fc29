import { InvalidInput } from '../platform/invalid-input.ts';
import type { ArtifactReference } from '../store/artifact.ts';
import { readShardedRecords } from '../store/shards.ts';
import { BenchmarkOverlaps } from './decontamination.ts';
import type { ArtifactStore } from '../store/artifact-store.ts';

/** A benchmark with its prepared items. */
export interface PreparedBenchmark {
  readonly name: string;
  readonly pairs: ArtifactReference;
}

/** The settings of `decontamination`: when an instruction counts as a benchmark's. Null: no comparison. */
export type Decontamination = { readonly ngramSize: number; readonly minWords: number } | null;

/** The fingerprint inputs of the comparison: the hashes of the benchmarks' items. */
export function benchmarkHashes(
  benchmarks: readonly PreparedBenchmark[],
  decontamination: Decontamination,
): Record<string, string> {
  if (decontamination === null) return {};
  return Object.fromEntries(benchmarks.map(({ name, pairs }) => [name, pairs.sha256]));
}

/**
 * Reads the instructions of the benchmarks, so that no judge is trained on the instructions it is tested with.
 * @param field the configuration's field that turns the comparison off
 * @throws InvalidInput if a benchmark has no instructions
 */
export async function readBenchmarkOverlaps(
  store: ArtifactStore,
  benchmarks: readonly PreparedBenchmark[],
  decontamination: Decontamination,
  field: string,
): Promise<BenchmarkOverlaps | null> {
  if (decontamination === null) return null;
  const overlaps = new BenchmarkOverlaps(decontamination);
  for (const { name, pairs } of benchmarks) {
    for await (const { id, instruction } of readShardedRecords<{ id: unknown; instruction?: unknown }>(
      store,
      pairs,
    )) {
      if (typeof instruction !== 'string') {
        throw new InvalidInput(
          `benchmark ${name} has rows without an instruction, so it can't be compared with the training data: set ` +
            `${field} to null to run without the comparison`,
        );
      }
      overlaps.add(name, String(id), instruction);
    }
  }
  return overlaps;
}
