import { completedIndex, publishIndex, publishInShards } from '../artifacts/shards.ts';
import { referenceTo } from '../artifacts/store.ts';
import { benchmarks } from '../benchmarks/registry.ts';
import { resolveInput } from '../config/input-files.ts';
import { InputProblem } from '../artifacts/errors.ts';
import { fileSha256 } from '../artifacts/file-hashes.ts';
import { withHeartbeats } from './attempt.ts';
import type { Dependencies } from './dependencies.ts';
import { openRun, runUris, type ResolvedConfiguration } from './open-run.ts';
import type { RunReference, StageResult } from './types.ts';

/** Reads a benchmark's official files into shards, the same for every judge of the run. */
export function prepareBenchmark(
  deps: Dependencies,
  input: { readonly run: RunReference; readonly benchmark: string },
): Promise<StageResult & { readonly warnings: readonly string[] }> {
  return withHeartbeats(async () => {
    const began = Date.now();
    const resolved = await openRun(deps.store, input.run);
    const { format, path } = benchmarkNamed(resolved, input.benchmark);
    const file = resolveInput(deps.files, path);
    const uri = runUris.benchmark(input.run.runName, input.benchmark);
    const fingerprint = { schema: 1, stage: 'prepare-benchmark', format, file: await fileSha256(file) };
    const complete = await completedIndex(deps.store, uri, fingerprint);
    const index = complete ?? (await publishBenchmark());
    const { warnings } = index.summary as { warnings: string[] };
    return {
      artifact: referenceTo(index),
      counts: index.counts,
      seconds: (Date.now() - began) / 1000,
      warnings,
    };

    async function publishBenchmark() {
      const { pairs, warnings: found } = await benchmarks[format].read(file);
      const { shardSize } = resolved.configuration.evaluation;
      const shards = await publishInShards(deps.store, uri, pairs, shardSize, fingerprint);
      return publishIndex(deps.store, uri, shards, {
        fingerprint,
        counts: { pairs: pairs.length },
        summary: { warnings: found },
      });
    }
  });
}

/** A benchmark of the configuration by its name. */
export function benchmarkNamed({ configuration }: ResolvedConfiguration, name: string) {
  const found = configuration.evaluation.benchmarks.find((benchmark) => benchmark.name === name);
  if (found === undefined)
    throw new InputProblem(`evaluation.benchmarks has none named ${JSON.stringify(name)}`);
  return found;
}
