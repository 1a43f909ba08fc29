import { InputProblem, TooManySetAside } from '../artifacts/errors.ts';
import { fileSha256 } from '../artifacts/file-hashes.ts';
import { SET_ASIDE_FILE, type SetAside } from '../artifacts/resume-shard.ts';
import { completedIndex, publishIndex, publishInShards } from '../artifacts/shards.ts';
import { referenceTo } from '../artifacts/store.ts';
import { resolveInput } from '../config/input-files.ts';
import { type FilePair, type PairRow, readGivenPairs } from '../judging/given-pairs.ts';
import { withHeartbeats } from './attempt.ts';
import type { Dependencies } from './dependencies.ts';
import { openJudging, runUris } from './open-run.ts';
import type { RunReference, StageResult } from './types.ts';

/** A pair of the file as the shards hold it. */
export interface GivenPairRecord {
  /** The row, padded, so that ids sort as rows do. */
  readonly id: string;
  readonly row: number;
  readonly pair: FilePair;
}

/** Reads a file of pairs into shards, one shard in memory at a time. Rows without a pair are set aside, with their reasons. */
export function preparePairsToJudge(
  deps: Dependencies,
  input: { readonly run: RunReference },
): Promise<StageResult & { readonly setAside: number; readonly warnings: readonly string[] }> {
  return withHeartbeats(async ({ report, signal }) => {
    const began = Date.now();
    const { configuration } = await openJudging(deps.store, input.run);
    const { judging, inference } = configuration;
    const file = resolveInput(deps.files, judging.pairs);
    const uri = runUris.givenPairs(input.run.runName);
    const fingerprint = { schema: 1, stage: 'prepare-pairs-to-judge', file: await fileSha256(file) };
    const index = (await completedIndex(deps.store, uri, fingerprint)) ?? (await publishPairs());
    const setAside = await deps.store.lines<SetAside>(index.uri, SET_ASIDE_FILE);
    const [first] = setAside;
    return {
      artifact: referenceTo(index),
      counts: index.counts,
      seconds: (Date.now() - began) / 1000,
      setAside: setAside.length,
      warnings:
        first === undefined
          ? []
          : [
              `${setAside.length} rows of ${file} hold no pair; the first one is ${first.id}: ${first.detail}`,
            ],
    };

    /** All rows are looked at before anything is published: a file that is mended is another file. */
    async function publishPairs() {
      const unusable: SetAside[] = [];
      let rows = 0;
      for await (const { row, problem } of rowsWatched()) {
        rows = row + 1;
        if (problem !== undefined)
          unusable.push({ id: `row ${row}`, kind: 'failed', reason: 'no pair', detail: problem });
      }
      const most = inference.maximumSetAsideShare;
      if (unusable.length > rows * most)
        throw new TooManySetAside(
          `${unusable.length} of the ${rows} rows of ${file} hold no pair, more than the allowed share of ${most} ` +
            `(inference.maximumSetAsideShare). The first one is ${unusable[0]?.id}: ${unusable[0]?.detail}`,
        );
      if (rows === unusable.length)
        throw new InputProblem(`${file} holds no pairs: nothing is there to judge`);
      const shards = await publishInShards(deps.store, uri, pairs(), judging.shardSize, fingerprint);
      return publishIndex(deps.store, uri, shards, {
        fingerprint,
        counts: { pairs: rows - unusable.length },
        files: { [SET_ASIDE_FILE]: unusable },
      });
    }

    async function* pairs(): AsyncGenerator<GivenPairRecord> {
      for await (const { row, pair } of rowsWatched())
        if (pair !== undefined) yield { id: String(row).padStart(9, '0'), row, pair };
    }

    async function* rowsWatched(): AsyncGenerator<PairRow> {
      for await (const read of readGivenPairs(file)) {
        signal.throwIfAborted();
        if (read.row % 1000 === 0) report({ rows: read.row });
        yield read;
      }
    }
  });
}
