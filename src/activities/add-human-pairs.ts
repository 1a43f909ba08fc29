import { join } from 'node:path';
import { InputProblem } from '../artifacts/errors.ts';
import type { ArtifactReference, Fingerprint } from '../artifacts/reference.ts';
import { SET_ASIDE_FILE, type SetAside } from '../artifacts/resume-shard.ts';
import { publishInShards, shardsOf, sumCounts } from '../artifacts/shards.ts';
import { referenceTo } from '../artifacts/store.ts';
import { generationOf } from '../config/pair-source.ts';
import type { Configuration } from '../config/schema.ts';
import type { ResponsePair } from '../judge/examples.ts';
import { collectPairs, type CollectedPairs } from '../preferences/collect-pairs.ts';
import { withHeartbeats } from './attempt.ts';
import { comparedWith, overlapsWith, type ComparedBenchmark } from './benchmark-overlaps.ts';
import { countsByReason, hashesOf, nothingLeft, requireFewFailed, withScratch } from './collected-rows.ts';
import { filesOf } from './data-files.ts';
import type { Dependencies } from './dependencies.ts';
import { openRun, runUris } from './open-run.ts';
import type { RunReference, StageResult } from './types.ts';

export interface HumanPairsInput {
  readonly run: RunReference;
  readonly pairs: ArtifactReference;
  /** What the pairs are compared with, as the pool is. */
  readonly benchmarks: readonly ComparedBenchmark[];
}

/** The pairs of one entry of `filtering.humanData`. */
interface Source {
  readonly name: string;
  readonly collected: CollectedPairs;
}

/**
 * Puts human-labelled pairs beside the generated ones (the paper's ablation): further shards of the same pair set, whose
 * better side a person has named in place of the construction. From here on they are pairs like any other: the current
 * judge argues about them, and what reaches the human label is kept. `filtering.humanData` mixes them by weight when a
 * training set is made.
 */
export function addHumanPairs(
  deps: Dependencies,
  { run, pairs, benchmarks }: HumanPairsInput,
): Promise<StageResult> {
  return withHeartbeats(async ({ signal, report }) => {
    const began = Date.now();
    const { configuration } = await openRun(deps.store, run);
    const { filters, shardSize } = generationOf(configuration).instructions;
    const { decontamination } = filters;
    const { seed, inference, filtering } = configuration;
    const { humanData, generatedWeight } = filtering;
    const sources = await Promise.all(
      humanData.map(async ({ name, path, layout }) => {
        const files = await filesOf(deps, [path]);
        return { name, layout, files, hashes: await hashesOf(files) };
      }),
    );
    const { human: fingerprint, whole } = humanPairsFingerprints(
      configuration,
      sources.map(({ hashes }) => hashes),
      benchmarks,
      pairs,
    );
    const uri = `${runUris.judgedPairs(run.runName)}/index`;
    const complete = await deps.store.completed(uri, whole);
    const index = complete ?? (await withScratch(deps, runUris.humanPairs(run.runName), publishPairs));
    return { artifact: referenceTo(index), counts: index.counts, seconds: (Date.now() - began) / 1000 };

    async function publishPairs(scratch: string) {
      const overlaps = await overlapsWith(
        deps,
        benchmarks,
        decontamination,
        'instructions.filters.decontamination',
      );
      const read: Source[] = [];
      for (const [number, { name, layout, files }] of sources.entries()) {
        const field = `filtering.humanData.${number}`;
        const collected = await collectPairs({
          files,
          layout,
          layoutField: `${field}.layout`,
          overlaps,
          maximum: null,
          seed,
          scratch: join(scratch, String(number)),
          signal,
          onProgress: report,
          checkFailed: requireFewFailed(inference.maximumSetAsideShare, `of ${field}`),
        });
        if (collected.pairs === 0)
          throw new InputProblem(`${field}: no pair is left of ${nothingLeft(files, collected)}`);
        read.push({ name, collected });
      }
      const human = await publishInShards(
        deps.store,
        runUris.humanPairs(run.runName),
        pairsOf(read),
        shardSize,
        fingerprint,
      );
      const generated = generatedWeight > 0 ? await shardsOf(deps.store, pairs) : [];
      return deps.store.publish(uri, {
        fingerprint: whole,
        records: [...generated, ...human.map(referenceTo)],
        counts: sumCounts(
          read.map(({ collected }) => ({
            humanPairs: collected.pairs,
            ...countsByReason(collected.reasons),
          })),
        ),
        files: { [SET_ASIDE_FILE]: leftOutOf(read) },
      });
    }
  });
}

/** What the human pairs of each source's files, by their hashes, mean, and all pairs that are judged. */
export function humanPairsFingerprints(
  configuration: Configuration,
  files: readonly (readonly string[])[],
  benchmarks: readonly ComparedBenchmark[],
  pairs: Pick<ArtifactReference, 'sha256'>,
): { readonly human: Fingerprint; readonly whole: Fingerprint } {
  const { humanData, generatedWeight } = configuration.filtering;
  const { decontamination } = generationOf(configuration).instructions.filters;
  const human = {
    schema: 2,
    stage: 'add-human-pairs',
    humanData: humanData.map(({ name, layout }, number) => ({ name, layout, files: files[number] ?? [] })),
    decontamination,
    benchmarks: comparedWith(benchmarks, decontamination),
  };
  // Pairs that no training set takes are not judged either.
  return { human, whole: { ...human, pairs: generatedWeight > 0 ? pairs.sha256 : null } };
}

async function* pairsOf(sources: readonly Source[]): AsyncGenerator<ResponsePair> {
  for (const { name, collected } of sources)
    for await (const pair of collected.kept()) yield { ...pair, id: `${name}-${pair.id}`, source: name };
}

async function* leftOutOf(sources: readonly Source[]): AsyncGenerator<SetAside> {
  for (const { collected } of sources) yield* collected.leftOut();
}
