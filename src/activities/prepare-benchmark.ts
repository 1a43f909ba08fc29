import type { StageName } from '../api/stages.ts';
import { createHash } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Fingerprint } from '../store/artifact.ts';
import { findIntactIndex, publishShardIndex, publishShards } from '../store/shards.ts';
import { toReference } from '../store/artifact.ts';
import { loadBenchmark } from '../benchmarks/registry.ts';
import { resolveInputPath } from '../platform/input-files.ts';
import { fileSha256, filesIn } from '../platform/file-hashes.ts';
import { withHeartbeats } from './heartbeats.ts';
import { findBenchmark } from '../config/find-benchmark.ts';
import type { Dependencies } from './dependencies.ts';
import { openEvaluation } from '../runs/open-run.ts';
import { runUris } from '../runs/run-layout.ts';
import type { RunReference, StageResult } from '../api/activity-types.ts';

/** The summary in the artifact of a prepared benchmark: everything about it except its items. */
export interface PreparedBenchmarkSummary {
  readonly warnings: readonly string[];
  /** Rows that the benchmark's own rule leaves out, by reason. */
  readonly excluded: Readonly<Record<string, number>>;
}

/** Reads a benchmark's official files into shards, the same for every judge of the run. */
export function prepareBenchmark(
  deps: Dependencies,
  input: { readonly run: RunReference; readonly benchmark: string },
): Promise<StageResult & { readonly warnings: readonly string[] }> {
  return withHeartbeats(async () => {
    const began = Date.now();
    const { configuration } = await openEvaluation(deps.store, input.run);
    const { format, path } = findBenchmark(configuration.evaluation, input.benchmark);
    const file = resolveInputPath(deps.files, path);
    const uri = runUris.benchmark(input.run.runName, input.benchmark);
    const fingerprint = await benchmarkFingerprint(format, file);
    const complete = await findIntactIndex(deps.store, uri, fingerprint);
    const index = complete ?? (await publishBenchmark());
    const { warnings } = index.summary as PreparedBenchmarkSummary;
    return {
      artifact: toReference(index),
      counts: index.counts,
      seconds: (Date.now() - began) / 1000,
      warnings,
    };

    async function publishBenchmark() {
      const benchmark = await loadBenchmark(format);
      const { items, warnings: found, excluded: leftOut = {} } = await benchmark.read(file);
      const requests = items.reduce((sum, item) => sum + benchmark.requests(item).length, 0);
      const { shardSize } = configuration.evaluation;
      // Makes the shards of all benchmarks about equal in work, even if an item has nine pairs.
      const size = Math.max(1, Math.round((2 * shardSize * items.length) / requests));
      const shards = await publishShards(deps.store, uri, items, size, fingerprint);
      const summary: PreparedBenchmarkSummary = { warnings: found, excluded: leftOut };
      return publishShardIndex(deps.store, uri, shards, {
        fingerprint,
        counts: { items: items.length },
        summary,
      });
    }
  });
}

/** The fingerprint inputs of a prepared benchmark. */
export async function benchmarkFingerprint(format: string, file: string): Promise<Fingerprint> {
  return {
    schema: 2,
    stage: 'prepareBenchmarks' satisfies StageName,
    format,
    file: await contentSha256(file),
  };
}

/** The hash of a file's content, or of all files in a folder with their names. */
async function contentSha256(path: string): Promise<string> {
  if (!(await stat(path)).isDirectory()) return fileSha256(path);
  const hash = createHash('sha256');
  for (const file of await filesIn(path, { recursive: true }))
    hash.update(`/${file} ${await fileSha256(join(path, file))}\n`);
  return hash.digest('hex');
}
