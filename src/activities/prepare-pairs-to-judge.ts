import type { StageName } from '../api/stages.ts';
import { quantity } from '../platform/quantity.ts';
import { TooManySkipped } from '../store/errors.ts';
import { InvalidInput } from '../platform/invalid-input.ts';
import { fileSha256 } from '../platform/file-hashes.ts';
import { SKIPPED_FILE, type SkippedRecord } from '../store/shard-types.ts';
import { findIntactIndex, publishShardIndex, publishShards } from '../store/shards.ts';
import { toReference } from '../store/artifact.ts';
import { resolveInputPath } from '../platform/input-files.ts';
import { type IndexedFilePair, indexFilePair } from '../pair-judging/judge-shard.ts';
import { type PairRow, readFilePairs } from '../pair-judging/read-file-pairs.ts';
import { withHeartbeats } from './heartbeats.ts';
import type { Dependencies } from './dependencies.ts';
import { openPairsJudging } from '../runs/open-run.ts';
import { runUris } from '../runs/run-layout.ts';
import type { RunReference, StageResult } from '../api/activity-types.ts';

/** Reads a file of pairs into shards, one shard in memory at a time. Rows without a pair are skipped, with their reasons. */
export function preparePairsToJudge(
  deps: Dependencies,
  input: { readonly run: RunReference },
): Promise<StageResult & { readonly skipped: number; readonly warnings: readonly string[] }> {
  return withHeartbeats(async ({ report, signal }) => {
    const began = Date.now();
    const { configuration } = await openPairsJudging(deps.store, input.run);
    const { judging, inference } = configuration;
    const file = resolveInputPath(deps.files, judging.pairsFile);
    const uri = runUris.providedPairs(input.run.runName);
    const fingerprint = {
      schema: 1,
      stage: 'preparePairsToJudge' satisfies StageName,
      file: await fileSha256(file),
    };
    const index = (await findIntactIndex(deps.store, uri, fingerprint)) ?? (await publishPairs());
    const skipped = await deps.store.readLines<SkippedRecord>(index.uri, SKIPPED_FILE);
    const [first] = skipped;
    return {
      artifact: toReference(index),
      counts: index.counts,
      seconds: (Date.now() - began) / 1000,
      skipped: skipped.length,
      warnings:
        first === undefined
          ? []
          : [
              `no pair in ${quantity(skipped.length, 'row')} of ${file}; the first one is ${first.id}: ${first.detail}`,
            ],
    };

    /** Reads all rows before anything is published, because a corrected file has another fingerprint. */
    async function publishPairs() {
      const unusable: SkippedRecord[] = [];
      let rows = 0;
      for await (const { row, problem } of rowsWatched()) {
        rows = row + 1;
        if (problem !== undefined)
          unusable.push({ id: `row ${row}`, kind: 'failed', reason: 'no pair', detail: problem });
      }
      const most = inference.maxSkippedShare;
      if (unusable.length > rows * most)
        throw new TooManySkipped(
          `${unusable.length} of the ${rows} rows of ${file} hold no pair, more than the allowed share of ${most} ` +
            `(inference.maxSkippedShare). The first one is ${unusable[0]?.id}: ${unusable[0]?.detail}`,
        );
      if (rows === unusable.length)
        throw new InvalidInput(`${file} holds no pairs: there is nothing to judge`);
      const shards = await publishShards(deps.store, uri, pairs(), judging.shardSize, fingerprint);
      return publishShardIndex(deps.store, uri, shards, {
        fingerprint,
        counts: { pairs: rows - unusable.length },
        files: { [SKIPPED_FILE]: unusable },
      });
    }

    async function* pairs(): AsyncGenerator<IndexedFilePair> {
      for await (const { row, pair } of rowsWatched()) if (pair !== undefined) yield indexFilePair(row, pair);
    }

    async function* rowsWatched(): AsyncGenerator<PairRow> {
      for await (const read of readFilePairs(file)) {
        signal.throwIfAborted();
        if (read.row % 1000 === 0) report({ rows: read.row });
        yield read;
      }
    }
  });
}
