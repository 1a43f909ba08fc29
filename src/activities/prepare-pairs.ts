import { InputProblem } from '../artifacts/errors.ts';
import type { Fingerprint } from '../artifacts/reference.ts';
import { SET_ASIDE_FILE } from '../artifacts/resume-shard.ts';
import { completedIndex, publishIndex, publishInShards } from '../artifacts/shards.ts';
import { referenceTo } from '../artifacts/store.ts';
import type { Configuration } from '../config/schema.ts';
import type { ResponsePair } from '../judge/examples.ts';
import { GIVEN } from '../judge/mix-sources.ts';
import { collectPairs, type CollectedPairs } from '../preferences/collect-pairs.ts';
import { withHeartbeats } from './attempt.ts';
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
import type { Dependencies } from './dependencies.ts';
import { openRun, runUris } from './open-run.ts';
import type { RunReference, StageResult } from './types.ts';

export interface GivenPairsInput {
  readonly run: RunReference;
  /** What the pairs are compared with. */
  readonly benchmarks: readonly ComparedBenchmark[];
}

/**
 * Reads pairs whose better side the user's files name into shards, in the place of generated ones: equal pairs once, those
 * that contradict each other or overlap with a benchmark left out, unusable rows set aside with their reason. From here
 * on they are pairs like any other. Memory stays the same however many there are.
 * @throws InputProblem where no pair is left, TooManySetAside where too many rows can't be read
 */
export function preparePairs(deps: Dependencies, { run, benchmarks }: GivenPairsInput): Promise<StageResult> {
  return withHeartbeats(async ({ signal, report }) => {
    const began = Date.now();
    const { configuration } = await openRun(deps.store, run);
    const given = givenIn(configuration);
    const { files: entries, layout, decontamination, maximum, shardSize } = given;
    const { seed, inference } = configuration;
    const files = await filesOf(deps, entries);
    const hashes = await hashesOf(files);
    const uri = runUris.pairs(run.runName);
    const fingerprint = givenPairsFingerprint(given, seed, hashes, benchmarks);
    const complete = await completedIndex(deps.store, uri, fingerprint);
    const index = complete ?? (await withScratch(deps, uri, publishPairs));
    return { artifact: referenceTo(index), counts: index.counts, seconds: (Date.now() - began) / 1000 };

    async function publishPairs(scratch: string) {
      const collected = await collectPairs({
        files,
        layout,
        layoutField: 'pairs.layout',
        overlaps: await overlapsWith(deps, benchmarks, decontamination, 'pairs.decontamination'),
        maximum,
        seed,
        scratch,
        signal,
        onProgress: report,
        checkFailed: requireFewFailed(inference.maximumSetAsideShare, 'of pairs.files'),
      });
      if (collected.pairs === 0)
        throw new InputProblem(`pairs.files: no pair is left of ${nothingLeft(files, collected)}`);
      const shards = await publishInShards(deps.store, uri, asGiven(collected), shardSize, fingerprint);
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

type GivenPairs = Extract<Configuration['pairs'], { kind: 'given' }>;

/** What given pairs mean, whose files have these hashes. */
export function givenPairsFingerprint(
  { layout, decontamination, maximum }: GivenPairs,
  seed: number,
  files: readonly string[],
  benchmarks: readonly ComparedBenchmark[],
): Fingerprint {
  return {
    schema: 1,
    stage: 'prepare-pairs',
    files,
    layout,
    decontamination,
    benchmarks: comparedWith(benchmarks, decontamination),
    maximum,
    // Which of too many pairs are chosen follows from the seed; nothing else does.
    seed: maximum === null ? null : seed,
  };
}

function givenIn({ pairs }: Configuration): GivenPairs {
  if (pairs.kind === 'given') return pairs;
  throw new InputProblem('the pairs of this run are made, not given');
}

async function* asGiven(collected: CollectedPairs): AsyncGenerator<ResponsePair> {
  for await (const pair of collected.kept()) yield { ...pair, source: GIVEN };
}

function countsOf({ rows, pairs, notSelected, setAside, reasons }: CollectedPairs) {
  const beyond = notSelected === 0 ? {} : { 'dropped: beyond pairs.maximum': notSelected };
  return { rows, pairs, setAside, ...countsByReason(reasons), ...beyond };
}
