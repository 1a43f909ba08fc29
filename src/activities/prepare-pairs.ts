import type { StageName } from '../api/stages.ts';
import { InvalidInput } from '../platform/invalid-input.ts';
import type { Fingerprint } from '../store/artifact.ts';
import { SKIPPED_FILE } from '../store/shard-types.ts';
import { findIntactIndex, publishShardIndex, publishShards } from '../store/shards.ts';
import { toReference } from '../store/artifact.ts';
import type { Configuration } from '../config/run-configuration.ts';
import type { ResponsePair } from '../method/examples.ts';
import { PROVIDED } from '../method/mix-sources.ts';
import { collectPairs, type CollectedPairs } from '../datasets/collect-pairs.ts';
import { withHeartbeats } from './heartbeats.ts';
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
import type { Dependencies } from './dependencies.ts';
import { limitedPairMaker, limitsFingerprintInputs } from '../runs/limited-pairs.ts';
import { openRun, type ResolvedConfiguration } from '../runs/open-run.ts';
import { runUris } from '../runs/run-layout.ts';
import type { RunReference, StageResult } from '../api/activity-types.ts';

export interface PreparePairsInput {
  readonly run: RunReference;
  /** The benchmarks that the pairs are compared with, to leave out overlaps. */
  readonly benchmarks: readonly PreparedBenchmark[];
}

/**
 * Reads pairs from the user's files, which name the better side, into shards. Duplicates are kept once. Pairs that
 * contradict each other or overlap with a benchmark are left out, and unusable rows are skipped with their reasons.
 * From here on they are treated like generated pairs. Memory does not grow with the number of pairs.
 * @throws InvalidInput if no pair remains, TooManySkipped if too many rows can't be read
 */
export function preparePairs(
  deps: Dependencies,
  { run, benchmarks }: PreparePairsInput,
): Promise<StageResult> {
  return withHeartbeats(async ({ signal, report }) => {
    const began = Date.now();
    const resolved = await openRun(deps.store, run);
    const { configuration } = resolved;
    const pairs = providedPairsOf(configuration);
    const { files: entries, format, decontamination, maxPairs, shardSize } = pairs;
    const { seed, inference } = configuration;
    const files = await filesOf(deps, entries);
    const hashes = await hashesOf(files);
    const uri = runUris.pairs(run.runName);
    const fingerprint = providedPairsFingerprint(resolved, hashes, benchmarks);
    const complete = await findIntactIndex(deps.store, uri, fingerprint);
    const index = complete ?? (await withScratch(deps.store, uri, publishPairs));
    return { artifact: toReference(index), counts: index.counts, seconds: (Date.now() - began) / 1000 };

    async function publishPairs(scratch: string) {
      const collected = await collectPairs({
        files,
        format,
        formatField: 'pairs.format',
        overlaps: await readBenchmarkOverlaps(
          deps.store,
          benchmarks,
          decontamination,
          'pairs.decontamination',
        ),
        maximum: maxPairs,
        seed,
        scratch,
        signal,
        onProgress: report,
        checkFailed: limitFailedRows(inference.maxSkippedShare, 'of pairs.files'),
      });
      if (collected.pairs === 0)
        throw new InvalidInput(`pairs.files: no usable pair in ${describeLosses(files, collected)}`);
      const shards = await publishShards(
        deps.store,
        uri,
        asProvided(collected, limitedPairMaker(resolved)),
        shardSize,
        fingerprint,
      );
      return publishShardIndex(deps.store, uri, shards, {
        fingerprint,
        counts: countsOf(
          collected,
          shards.reduce((sum, { records }) => sum + records, 0),
        ),
        summary: {
          files: files.map(({ name }, index) => ({ name, sha256: hashes[index] ?? '' })),
          skipped: collected.reasons,
        } satisfies RowsSummary,
        files: { [SKIPPED_FILE]: collected.skipped() },
      });
    }
  });
}

type ProvidedPairs = Extract<Configuration['pairs'], { kind: 'provided' }>;

/** The fingerprint inputs of provided pairs, given the hashes of their files. */
export function providedPairsFingerprint(
  { configuration, prompts }: ResolvedConfiguration,
  files: readonly string[],
  benchmarks: readonly PreparedBenchmark[],
): Fingerprint {
  const pairs = providedPairsOf(configuration);
  const { format, decontamination, maxPairs } = pairs;
  const { seed } = configuration;
  return {
    schema: 1,
    stage: 'preparePairs' satisfies StageName,
    files,
    format,
    decontamination,
    benchmarks: benchmarkHashes(benchmarks, decontamination),
    maxPairs,
    // The seed decides only which pairs are chosen if there are more than `maxPairs`.
    seed: maxPairs === null ? null : seed,
    ...limitsFingerprintInputs(pairs, prompts, seed),
  };
}

function providedPairsOf({ pairs }: Configuration): ProvidedPairs {
  if (pairs.kind === 'provided') return pairs;
  throw new InvalidInput('the pairs of this run are generated, not provided');
}

async function* asProvided(
  collected: CollectedPairs,
  withLimits: ReturnType<typeof limitedPairMaker>,
): AsyncGenerator<ResponsePair> {
  for await (const pair of collected.kept()) yield* withLimits({ ...pair, source: PROVIDED });
}

/** @param published the number of pairs with those that were made of others */
function countsOf(
  { rows, pairs: read, notSelected, skippedCount: skipped, reasons }: CollectedPairs,
  published: number,
) {
  const limited = published === read ? {} : { 'with a limit': published - read };
  const beyond = notSelected === 0 ? {} : { 'dropped: beyond pairs.maxPairs': notSelected };
  return { rows, pairs: published, ...limited, skipped, ...countsByReason(reasons), ...beyond };
}
