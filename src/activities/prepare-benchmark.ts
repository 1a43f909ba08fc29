import { createHash } from 'node:crypto';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Fingerprint } from '../artifacts/reference.ts';
import { completedIndex, publishIndex, publishInShards } from '../artifacts/shards.ts';
import { referenceTo } from '../artifacts/store.ts';
import { benchmarkOf } from '../benchmarks/registry.ts';
import { resolveInput } from '../config/input-files.ts';
import { fileSha256 } from '../artifacts/file-hashes.ts';
import { withHeartbeats } from './attempt.ts';
import { benchmarkNamed } from './benchmark-named.ts';
import type { Dependencies } from './dependencies.ts';
import { openEvaluation, runUris } from './open-run.ts';
import type { RunReference, StageResult } from './types.ts';

/** What is known of a benchmark beside its items; the summary of its artifact. */
export interface PreparedBenchmarkSummary {
  readonly warnings: readonly string[];
  /** Rows that the benchmark's own rule leaves out, by reason. */
  readonly leftOut: Readonly<Record<string, number>>;
}

/** Reads a benchmark's official files into shards, the same for every judge of the run. */
export function prepareBenchmark(
  deps: Dependencies,
  input: { readonly run: RunReference; readonly benchmark: string },
): Promise<StageResult & { readonly warnings: readonly string[] }> {
  return withHeartbeats(async () => {
    const began = Date.now();
    const { configuration } = await openEvaluation(deps.store, input.run);
    const { format, path } = benchmarkNamed(configuration.evaluation, input.benchmark);
    const file = resolveInput(deps.files, path);
    const uri = runUris.benchmark(input.run.runName, input.benchmark);
    const fingerprint = await benchmarkFingerprint(format, file);
    const complete = await completedIndex(deps.store, uri, fingerprint);
    const index = complete ?? (await publishBenchmark());
    const { warnings } = index.summary as PreparedBenchmarkSummary;
    return {
      artifact: referenceTo(index),
      counts: index.counts,
      seconds: (Date.now() - began) / 1000,
      warnings,
    };

    async function publishBenchmark() {
      const benchmark = benchmarkOf(format);
      const { items, warnings: found, leftOut = {} } = await benchmark.read(file);
      const requests = items.reduce((sum, item) => sum + benchmark.requests(item).length, 0);
      const { shardSize } = configuration.evaluation;
      // A shard is about the same work on every benchmark, whether an item is one pair or nine.
      const size = Math.max(1, Math.round((2 * shardSize * items.length) / requests));
      const shards = await publishInShards(deps.store, uri, items, size, fingerprint);
      const summary: PreparedBenchmarkSummary = { warnings: found, leftOut };
      return publishIndex(deps.store, uri, shards, {
        fingerprint,
        counts: { items: items.length },
        summary,
      });
    }
  });
}

/** What a prepared benchmark means. */
export async function benchmarkFingerprint(format: string, file: string): Promise<Fingerprint> {
  return { schema: 2, stage: 'prepare-benchmark', format, file: await contentSha256(file) };
}

/** The hash of a file's content, or of all files in a folder with their names. */
async function contentSha256(path: string): Promise<string> {
  if (!(await stat(path)).isDirectory()) return fileSha256(path);
  const hash = createHash('sha256');
  const entries = await readdir(path, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  for (const file of files.sort()) hash.update(`${file.slice(path.length)} ${await fileSha256(file)}\n`);
  return hash.digest('hex');
}
