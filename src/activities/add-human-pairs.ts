import type { StageName } from '../api/stages.ts';
import { join } from 'node:path';
import { InvalidInput } from '../platform/invalid-input.ts';
import type { ArtifactReference, Fingerprint } from '../store/artifact.ts';
import { SKIPPED_FILE, type SkippedRecord } from '../store/shard-types.ts';
import { publishShards, readShardReferences } from '../store/shards.ts';
import { sumCounts } from '../platform/sum-counts.ts';
import { toReference } from '../store/artifact.ts';
import { requireGeneration } from '../config/pair-source.ts';
import type { Configuration } from '../config/run-configuration.ts';
import type { ResponsePair } from '../method/examples.ts';
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
} from '../datasets/collected-rows.ts';
import { filesOf } from '../datasets/data-files.ts';
import type { Dependencies } from './dependencies.ts';
import { openRun } from '../runs/open-run.ts';
import { runUris } from '../runs/run-layout.ts';
import type { RunReference, StageResult } from '../api/activity-types.ts';

export interface AddHumanPairsInput {
  readonly run: RunReference;
  readonly pairs: ArtifactReference;
  /** The benchmarks that the pairs are compared with, to leave out overlaps, as for the pool. */
  readonly benchmarks: readonly PreparedBenchmark[];
}

/** The pairs of one entry of `filtering.humanData`. */
interface HumanPairSource {
  readonly name: string;
  readonly collected: CollectedPairs;
}

/**
 * Adds human-labelled pairs to the generated ones (the paper's ablation) as further shards of the same set of pairs.
 * Their better side is given by a person, not by construction. From here on they are treated like all other pairs: the
 * current judge judges them, and judgments that agree with the human label are kept. `filtering.humanData` gives their
 * weight in a training set.
 */
export function addHumanPairs(
  deps: Dependencies,
  { run, pairs, benchmarks }: AddHumanPairsInput,
): Promise<StageResult> {
  return withHeartbeats(async ({ signal, report }) => {
    const began = Date.now();
    const { configuration } = await openRun(deps.store, run);
    const { filters, shardSize } = requireGeneration(configuration).instructions;
    const { decontamination } = filters;
    const { seed, inference, filtering } = configuration;
    const { humanData, generatedWeight } = filtering;
    const sources = await Promise.all(
      humanData.map(async ({ name, path, format }) => {
        const files = await filesOf(deps, [path]);
        return { name, format, files, hashes: await hashesOf(files) };
      }),
    );
    const { human: fingerprint, judgedPairs } = humanPairsFingerprints(
      configuration,
      sources.map(({ hashes }) => hashes),
      benchmarks,
      pairs,
    );
    const uri = `${runUris.judgedPairs(run.runName)}/index`;
    const complete = await deps.store.findIntact(uri, judgedPairs);
    const index = complete ?? (await withScratch(deps.store, runUris.humanPairs(run.runName), publishPairs));
    return { artifact: toReference(index), counts: index.counts, seconds: (Date.now() - began) / 1000 };

    async function publishPairs(scratch: string) {
      const overlaps = await readBenchmarkOverlaps(
        deps.store,
        benchmarks,
        decontamination,
        'instructions.filters.decontamination',
      );
      const read: HumanPairSource[] = [];
      for (const [number, { name, format, files }] of sources.entries()) {
        const field = `filtering.humanData.${number}`;
        const collected = await collectPairs({
          files,
          format,
          formatField: `${field}.format`,
          overlaps,
          maximum: null,
          seed,
          scratch: join(scratch, String(number)),
          signal,
          onProgress: report,
          checkFailed: limitFailedRows(inference.maxSkippedShare, `of ${field}`),
        });
        if (collected.pairs === 0)
          throw new InvalidInput(`${field}: no usable pair in ${describeLosses(files, collected)}`);
        read.push({ name, collected });
      }
      const human = await publishShards(
        deps.store,
        runUris.humanPairs(run.runName),
        pairsOf(read),
        shardSize,
        fingerprint,
      );
      const generated = generatedWeight > 0 ? await readShardReferences(deps.store, pairs) : [];
      return deps.store.publish(uri, {
        fingerprint: judgedPairs,
        records: [...generated, ...human.map(toReference)],
        counts: sumCounts(
          read.map(({ collected }) => ({
            humanPairs: collected.pairs,
            ...countsByReason(collected.reasons),
          })),
        ),
        files: { [SKIPPED_FILE]: skippedRows(read) },
      });
    }
  });
}

/** The fingerprint inputs of each source's pairs, given the hashes of its files, and of all pairs that are judged. */
export function humanPairsFingerprints(
  configuration: Configuration,
  files: readonly (readonly string[])[],
  benchmarks: readonly PreparedBenchmark[],
  pairs: Pick<ArtifactReference, 'sha256'>,
): { readonly human: Fingerprint; readonly judgedPairs: Fingerprint } {
  const { humanData, generatedWeight } = configuration.filtering;
  const { decontamination } = requireGeneration(configuration).instructions.filters;
  const human = {
    schema: 2,
    stage: 'addHumanPairs' satisfies StageName,
    humanData: humanData.map(({ name, format }, number) => ({
      name,
      format,
      files: files[number] ?? [],
    })),
    decontamination,
    benchmarks: benchmarkHashes(benchmarks, decontamination),
  };
  // Generated pairs with weight 0 are in no training set, so they are not judged.
  return { human, judgedPairs: { ...human, pairs: generatedWeight > 0 ? pairs.sha256 : null } };
}

async function* pairsOf(sources: readonly HumanPairSource[]): AsyncGenerator<ResponsePair> {
  for (const { name, collected } of sources)
    for await (const pair of collected.kept()) yield { ...pair, id: `${name}-${pair.id}`, source: name };
}

async function* skippedRows(sources: readonly HumanPairSource[]): AsyncGenerator<SkippedRecord> {
  for (const { collected } of sources) yield* collected.skipped();
}
