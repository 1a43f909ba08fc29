import { InputProblem } from '../artifacts/errors.ts';
import type { Counts, Fingerprint } from '../artifacts/reference.ts';
import { SET_ASIDE_FILE } from '../artifacts/resume-shard.ts';
import { completedIndex, publishIndex, publishInShards } from '../artifacts/shards.ts';
import { referenceTo } from '../artifacts/store.ts';
import { generationOf } from '../config/pair-source.ts';
import type { Configuration } from '../config/schema.ts';
import { collectInstructions, type CollectedPool } from '../pools/collect-instructions.ts';
import { loadLanguageDetector } from '../pools/language.ts';
import { needsDetector, rowFilter } from '../pools/row-filters.ts';
import { withHeartbeats, type Attempt } from './attempt.ts';
import type { Dependencies } from './dependencies.ts';
import { openRun, runUris } from './open-run.ts';
import { comparedWith, overlapsWith, type ComparedBenchmark } from './benchmark-overlaps.ts';
import {
  countsByReason,
  hashesOf,
  nothingLeft,
  requireFewFailed,
  withScratch,
  type RowsSummary,
} from './collected-rows.ts';
import { filesOf } from './data-files.ts';
import type { RunReference, StageResult } from './types.ts';

export type { Instruction } from '../pools/collect-instructions.ts';

export interface PoolInput {
  readonly run: RunReference;
  /** What the pool is compared with. */
  readonly benchmarks: readonly ComparedBenchmark[];
}

/**
 * Reads the instruction pool into shards: filtered, exact duplicates once, what overlaps with a benchmark left out,
 * unusable rows set aside with their reason. Only the columns of the files' layout are read; whatever else a row
 * holds, an answer too, never enters the run. Memory stays the same however large the pool is.
 */
export function preparePool(deps: Dependencies, { run, benchmarks }: PoolInput): Promise<StageResult> {
  return withHeartbeats(async (attempt) => {
    const began = Date.now();
    const { configuration } = await openRun(deps.store, run);
    const { pool, shardSize } = generationOf(configuration).instructions;
    const files = await filesOf(deps, pool);
    const uri = runUris.pool(run.runName);
    const hashes = await hashesOf(files);
    const fingerprint = poolFingerprint(configuration, hashes, benchmarks);
    const complete = await completedIndex(deps.store, uri, fingerprint);
    const index = complete ?? (await withScratch(deps, uri, publishPool));
    return { artifact: referenceTo(index), counts: index.counts, seconds: (Date.now() - began) / 1000 };

    async function publishPool(scratch: string) {
      const collected = await collectInstructions({
        ...(await optionsFor(deps, configuration, benchmarks, attempt)),
        files,
        scratch,
      });
      if (collected.instructions === 0)
        throw new InputProblem(`instructions.pool: no instruction in ${nothingLeft(files, collected)}`);
      const shards = await publishInShards(deps.store, uri, collected.kept(), shardSize, fingerprint);
      return publishIndex(deps.store, uri, shards, {
        fingerprint,
        counts: countsOf(collected),
        summary: {
          files: files.map(({ name }, index) => ({ name, sha256: hashes[index] ?? '' })),
          setAside: collected.reasons,
        } satisfies RowsSummary,
        files: { [SET_ASIDE_FILE]: collected.leftOut() },
      });
    }
  });
}

/** What a prepared pool means, which has files of these hashes. */
export function poolFingerprint(
  configuration: Configuration,
  files: readonly string[],
  benchmarks: PoolInput['benchmarks'],
): Fingerprint {
  const { layout, filters } = generationOf(configuration).instructions;
  return {
    schema: 2,
    stage: 'prepare-pool',
    files,
    layout,
    filters,
    benchmarks: comparedWith(benchmarks, filters.decontamination),
    // Which of nearly equal instructions meet follows from the seed; nothing else does.
    seed: filters.nearDuplicates === null ? null : configuration.seed,
  };
}

async function optionsFor(
  deps: Dependencies,
  configuration: Configuration,
  benchmarks: PoolInput['benchmarks'],
  { signal, report }: Attempt,
) {
  const { layout, filters } = generationOf(configuration).instructions;
  const { seed, inference } = configuration;
  return {
    layout,
    filter: rowFilter(filters, needsDetector(filters) ? await loadLanguageDetector() : undefined),
    overlaps: await overlapsWith(
      deps,
      benchmarks,
      filters.decontamination,
      'instructions.filters.decontamination',
    ),
    nearDuplicates: filters.nearDuplicates,
    seed,
    signal,
    onProgress: report,
    checkFailed: requireFewFailed(inference.maximumSetAsideShare, 'of the instruction pool'),
  };
}

function countsOf({ rows, instructions, setAside, reasons }: CollectedPool): Counts {
  return { rows, instructions, setAside, ...countsByReason(reasons) };
}
