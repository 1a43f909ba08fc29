import { join } from 'node:path';
import type { RunReference, StageResult } from '../api/activity-types.ts';
import type { StageName } from '../api/stages.ts';
import type { Configuration } from '../config/run-configuration.ts';
import { decontaminationOf, requireGeneration } from '../config/pair-source.ts';
import {
  benchmarkHashes,
  readBenchmarkOverlaps,
  type PreparedBenchmark,
} from '../datasets/benchmark-overlaps.ts';
import { type CollectedRecords, collectRecords } from '../datasets/collect-records.ts';
import {
  countsByReason,
  describeLosses,
  hashesOf,
  limitFailedRows,
  type RowsSummary,
  withScratch,
} from '../datasets/collected-rows.ts';
import { filesOf } from '../datasets/data-files.ts';
import type { TrainedRecord } from '../method/task-examples.ts';
import { InvalidInput } from '../platform/invalid-input.ts';
import { sumCounts } from '../platform/sum-counts.ts';
import { openRun } from '../runs/open-run.ts';
import { runUris } from '../runs/run-layout.ts';
import { toReference, type ArtifactReference, type Fingerprint } from '../store/artifact.ts';
import { SKIPPED_FILE, type SkippedRecord } from '../store/shard-types.ts';
import { publishShards, readShardReferences } from '../store/shards.ts';
import type { Dependencies } from './dependencies.ts';
import { withHeartbeats } from './heartbeats.ts';

export interface PrepareTasksInput {
  readonly run: RunReference;
  readonly pairs: ArtifactReference;
  /** The benchmarks that the records are compared with, to leave out overlaps, as for the pairs. */
  readonly benchmarks: readonly PreparedBenchmark[];
}

/**
 * Adds the records of tasks beyond pairs to the pairs, as further shards of what is judged. Duplicates are kept once; records that
 * contradict each other or overlap with a benchmark are left out, and unusable rows are skipped with their reasons.
 * @throws InvalidInput if a task has no record, TooManySkipped if too many rows can't be read
 */
export function prepareTasks(
  deps: Dependencies,
  { run, pairs, benchmarks }: PrepareTasksInput,
): Promise<StageResult> {
  return withHeartbeats(async ({ signal, report }) => {
    const began = Date.now();
    const { configuration } = await openRun(deps.store, run);
    const { inference } = configuration;
    const decontamination = decontaminationOf(configuration);
    const { field, shardSize } =
      configuration.pairs.kind === 'provided'
        ? { field: 'pairs.decontamination', ...configuration.pairs }
        : {
            field: 'instructions.filters.decontamination',
            ...requireGeneration(configuration).instructions,
          };
    const sources = await Promise.all(
      configuration.pairs.tasks.map(async ({ task, files: entries }) => {
        const files = await filesOf(deps, entries);
        return { task, files, hashes: await hashesOf(files) };
      }),
    );
    const { records: fingerprint, judged } = taskRecordsFingerprints(
      configuration,
      sources.map(({ hashes }) => hashes),
      benchmarks,
      pairs,
    );
    const uri = `${runUris.judgedItems(run.runName)}/index`;
    const complete = await deps.store.findIntact(uri, judged);
    const index =
      complete ?? (await withScratch(deps.store, runUris.taskRecords(run.runName), publishRecords));
    return { artifact: toReference(index), counts: index.counts, seconds: (Date.now() - began) / 1000 };

    async function publishRecords(scratch: string) {
      const overlaps = await readBenchmarkOverlaps(deps.store, benchmarks, decontamination, field);
      const read: CollectedRecords[] = [];
      for (const [number, { task, files }] of sources.entries()) {
        const collected = await collectRecords({
          ...{ task, files, overlaps, signal, onProgress: report },
          scratch: join(scratch, task),
          checkFailed: limitFailedRows(inference.maxSkippedShare, `of pairs.tasks.${number}.files`),
        });
        if (collected.records === 0)
          throw new InvalidInput(
            `pairs.tasks.${number}.files: no usable record in ${describeLosses(files, collected)}`,
          );
        read.push(collected);
      }
      const records = await publishShards(
        deps.store,
        runUris.taskRecords(run.runName),
        keptOf(read),
        shardSize,
        fingerprint,
      );
      return deps.store.publish(uri, {
        fingerprint: judged,
        records: [...(await readShardReferences(deps.store, pairs)), ...records.map(toReference)],
        counts: sumCounts(
          read.map((collected) => ({
            taskRecords: collected.records,
            ...countsByReason(collected.reasons),
          })),
        ),
        summary: {
          files: sources.flatMap(({ files, hashes }) =>
            files.map(({ name }, index) => ({ name, sha256: hashes[index] ?? '' })),
          ),
          skipped: read.flatMap(({ reasons }) => reasons),
        } satisfies RowsSummary,
        files: { [SKIPPED_FILE]: skippedRows(read) },
      });
    }
  });
}

/** The fingerprint inputs of the records, given the hashes of each task's files, and of all that is judged. */
export function taskRecordsFingerprints(
  configuration: Pick<Configuration, 'pairs' | 'instructions'>,
  files: readonly (readonly string[])[],
  benchmarks: readonly PreparedBenchmark[],
  pairs: Pick<ArtifactReference, 'sha256'>,
): { readonly records: Fingerprint; readonly judged: Fingerprint } {
  const decontamination = decontaminationOf(configuration);
  const records = {
    schema: 1,
    stage: 'prepareTasks' satisfies StageName,
    tasks: configuration.pairs.tasks.map(({ task }, number) => ({ task, files: files[number] ?? [] })),
    decontamination,
    benchmarks: benchmarkHashes(benchmarks, decontamination),
  };
  return { records, judged: { ...records, pairs: pairs.sha256 } };
}

async function* keptOf(read: readonly CollectedRecords[]): AsyncGenerator<TrainedRecord> {
  for (const collected of read) yield* collected.kept();
}

async function* skippedRows(read: readonly CollectedRecords[]): AsyncGenerator<SkippedRecord> {
  for (const collected of read) yield* collected.skipped();
}
