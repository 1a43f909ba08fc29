import type { StageName } from '../api/stages.ts';
import { InvalidInput } from '../platform/invalid-input.ts';
import type { Counts, Fingerprint } from '../store/artifact.ts';
import { SKIPPED_FILE } from '../store/shard-types.ts';
import { findIntactIndex, publishShardIndex, publishShards } from '../store/shards.ts';
import { toReference } from '../store/artifact.ts';
import { requireGeneration } from '../config/pair-source.ts';
import type { Configuration } from '../config/run-configuration.ts';
import { collectInstructions, type CollectedPool } from '../datasets/collect-instructions.ts';
import { loadLanguageDetector } from '../datasets/language-detection.ts';
import { needsLanguageDetector, rowFilter } from '../datasets/instruction-filters.ts';
import { withHeartbeats, type HeartbeatContext } from './heartbeats.ts';
import type { Dependencies } from './dependencies.ts';
import { openRun } from '../runs/open-run.ts';
import { runUris } from '../runs/run-layout.ts';
import {
  benchmarkHashes,
  readBenchmarkOverlaps,
  type PreparedBenchmark,
} from '../datasets/benchmark-overlaps.ts';
import {
  countsByReason,
  hashesOf,
  describeLosses,
  limitFailedRows,
  withScratch,
  type RowsSummary,
} from '../datasets/collected-rows.ts';
import { filesOf } from '../datasets/data-files.ts';
import type { RunReference, StageResult } from '../api/activity-types.ts';

export type { PoolInstruction } from '../datasets/collect-instructions.ts';

export interface PreparePoolInput {
  readonly run: RunReference;
  /** The benchmarks that the pool is compared with, to leave out overlaps. */
  readonly benchmarks: readonly PreparedBenchmark[];
}

/**
 * Reads the instruction pool into shards. Instructions are filtered, exact duplicates are kept once, overlaps with a
 * benchmark are left out, and unusable rows are skipped with their reasons. Only the columns of the row format are
 * read, so that an answer in a row never enters the run. Memory does not grow with the size of the pool.
 */
export function preparePool(deps: Dependencies, { run, benchmarks }: PreparePoolInput): Promise<StageResult> {
  return withHeartbeats(async (attempt) => {
    const began = Date.now();
    const { configuration } = await openRun(deps.store, run);
    const { pool, shardSize } = requireGeneration(configuration).instructions;
    const files = await filesOf(deps, pool);
    const uri = runUris.pool(run.runName);
    const hashes = await hashesOf(files);
    const fingerprint = poolFingerprint(configuration, hashes, benchmarks);
    const complete = await findIntactIndex(deps.store, uri, fingerprint);
    const index = complete ?? (await withScratch(deps.store, uri, publishPool));
    return { artifact: toReference(index), counts: index.counts, seconds: (Date.now() - began) / 1000 };

    async function publishPool(scratch: string) {
      const collected = await collectInstructions({
        ...(await optionsFor(deps, configuration, benchmarks, attempt)),
        files,
        scratch,
      });
      if (collected.instructions === 0)
        throw new InvalidInput(`instructions.pool: no instruction in ${describeLosses(files, collected)}`);
      const shards = await publishShards(deps.store, uri, collected.kept(), shardSize, fingerprint);
      return publishShardIndex(deps.store, uri, shards, {
        fingerprint,
        counts: countsOf(collected),
        summary: {
          files: files.map(({ name }, index) => ({ name, sha256: hashes[index] ?? '' })),
          skipped: collected.reasons,
        } satisfies RowsSummary,
        files: { [SKIPPED_FILE]: collected.skipped() },
      });
    }
  });
}

/** The fingerprint inputs of a prepared pool, given the hashes of its files. */
export function poolFingerprint(
  configuration: Configuration,
  files: readonly string[],
  benchmarks: PreparePoolInput['benchmarks'],
): Fingerprint {
  const { format, filters } = requireGeneration(configuration).instructions;
  return {
    schema: 3,
    stage: 'preparePool' satisfies StageName,
    files,
    format,
    filters,
    benchmarks: benchmarkHashes(benchmarks, filters.decontamination),
    // The seed decides only which near-duplicates are compared.
    seed: filters.nearDuplicates === null ? null : configuration.seed,
  };
}

async function optionsFor(
  deps: Dependencies,
  configuration: Configuration,
  benchmarks: PreparePoolInput['benchmarks'],
  { signal, report }: HeartbeatContext,
) {
  const { format, filters } = requireGeneration(configuration).instructions;
  const { seed, inference } = configuration;
  return {
    format,
    filter: rowFilter(filters, needsLanguageDetector(filters) ? await loadLanguageDetector() : undefined),
    overlaps: await readBenchmarkOverlaps(
      deps.store,
      benchmarks,
      filters.decontamination,
      'instructions.filters.decontamination',
    ),
    nearDuplicates: filters.nearDuplicates,
    seed,
    signal,
    onProgress: report,
    checkFailed: limitFailedRows(inference.maxSkippedShare, 'of the instruction pool'),
  };
}

function countsOf({ rows, instructions, skippedCount: skipped, reasons }: CollectedPool): Counts {
  return { rows, instructions, skipped, ...countsByReason(reasons) };
}
