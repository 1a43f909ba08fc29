import { randomUUID } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { InputProblem, TooManySetAside } from '../artifacts/errors.ts';
import { fileSha256 } from '../artifacts/file-hashes.ts';
import type { ArtifactReference, Counts, Fingerprint } from '../artifacts/reference.ts';
import { SET_ASIDE_FILE } from '../artifacts/resume-shard.ts';
import { completedIndex, publishIndex, publishInShards, recordsBehind } from '../artifacts/shards.ts';
import { referenceTo } from '../artifacts/store.ts';
import type { Configuration } from '../config/schema.ts';
import { collectInstructions, type CollectedPool, type PoolFile } from '../pools/collect-instructions.ts';
import { BenchmarkOverlaps } from '../pools/decontamination.ts';
import { loadLanguageDetector } from '../pools/language.ts';
import { needsDetector, rowFilter } from '../pools/row-filters.ts';
import type { ReasonCount } from '../pools/scratch.ts';
import { withHeartbeats, type Attempt } from './attempt.ts';
import type { Dependencies } from './dependencies.ts';
import { openRun, runUris } from './open-run.ts';
import { poolFiles } from './pool-files.ts';
import type { RunReference, StageResult } from './types.ts';

export type { Instruction } from '../pools/collect-instructions.ts';

export interface PoolInput {
  readonly run: RunReference;
  /** What the pool is compared with, so that no judge is trained on what it is tested with. */
  readonly benchmarks: readonly { readonly name: string; readonly pairs: ArtifactReference }[];
}

/** What the index of the pool tells beside its shards: the files, and why rows were left out with an example for each reason. */
export interface PoolSummary {
  /** Files of the hub with their commit. */
  readonly files: readonly { readonly name: string; readonly sha256: string }[];
  readonly setAside: readonly ReasonCount[];
}

/**
 * Reads the instruction pool into shards: filtered, exact duplicates once, what overlaps with a benchmark left out,
 * unusable rows set aside with their reason. Only the columns of the files' layout are read; whatever else a row
 * holds, an answer too, never enters the run. Memory stays the same however large the pool is.
 */
export function preparePool(deps: Dependencies, { run, benchmarks }: PoolInput): Promise<StageResult> {
  return withHeartbeats(async (attempt) => {
    const began = Date.now();
    const { configuration } = await openRun(deps.store, run);
    const { pool, filters, shardSize } = configuration.instructions;
    const found = (await Promise.all(pool.map((entry) => poolFiles(deps, entry)))).flat();
    // Two patterns may meet the same file.
    const files = [...new Map(found.map((file) => [file.path, file])).values()];
    const uri = runUris.pool(run.runName);
    const hashes: string[] = [];
    for (const { path } of files) hashes.push(await fileSha256(path));
    const compared = filters.decontamination === null ? [] : benchmarks;
    const fingerprint = poolFingerprint(configuration, hashes, benchmarks);
    const complete = await completedIndex(deps.store, uri, fingerprint);
    const index = complete ?? (await publishPool());
    return { artifact: referenceTo(index), counts: index.counts, seconds: (Date.now() - began) / 1000 };

    async function publishPool() {
      const work = deps.store.path(`${uri}.work`);
      const scratch = join(work, randomUUID());
      const collected = await collectInstructions({
        ...(await optionsFor(deps, configuration, compared, attempt)),
        files,
        scratch,
      }).catch(async (error: unknown) => {
        await rm(scratch, { recursive: true, force: true });
        throw error;
      });
      if (collected.instructions === 0) throw new InputProblem(nothingLeft(files, collected));
      const shards = await publishInShards(deps.store, uri, collected.kept(), shardSize, fingerprint);
      const published = await publishIndex(deps.store, uri, shards, {
        fingerprint,
        counts: countsOf(collected),
        summary: {
          files: files.map(({ name }, index) => ({ name, sha256: hashes[index] ?? '' })),
          setAside: collected.reasons,
        } satisfies PoolSummary,
        files: { [SET_ASIDE_FILE]: collected.leftOut() },
      });
      await rm(work, { recursive: true, force: true });
      return published;
    }
  });
}

/** What a prepared pool means, which has files of these hashes. */
export function poolFingerprint(
  { instructions: { layout, filters }, seed }: Configuration,
  files: readonly string[],
  benchmarks: PoolInput['benchmarks'],
): Fingerprint {
  const compared = filters.decontamination === null ? [] : benchmarks;
  return {
    schema: 2,
    stage: 'prepare-pool',
    files,
    layout,
    filters,
    benchmarks: Object.fromEntries(compared.map(({ name, pairs }) => [name, pairs.sha256])),
    // Which of nearly equal instructions meet follows from the seed; nothing else does.
    seed: filters.nearDuplicates === null ? null : seed,
  };
}

async function optionsFor(
  deps: Dependencies,
  { instructions: { layout, filters }, inference, seed }: Configuration,
  benchmarks: PoolInput['benchmarks'],
  { signal, report }: Attempt,
) {
  return {
    layout,
    filter: rowFilter(filters, needsDetector(filters) ? await loadLanguageDetector() : undefined),
    overlaps: filters.decontamination && (await overlapsWith(deps, benchmarks, filters.decontamination)),
    nearDuplicates: filters.nearDuplicates,
    seed,
    signal,
    onProgress: report,
    checkFailed(failed: number, rows: number, reasons: readonly ReasonCount[]) {
      const share = inference.maximumSetAsideShare;
      if (failed <= rows * share) return;
      const examples = reasons
        .filter(({ kind }) => kind === 'failed')
        .slice(0, 3)
        .map(({ reason, count, example }) => `${reason} (${count} rows, the first: ${example})`);
      throw new TooManySetAside(
        `${failed} of ${rows} rows of the instruction pool can't be used, more than the allowed share of ${share} ` +
          `(inference.maximumSetAsideShare): ${examples.join('; ')}`,
      );
    },
  };
}

async function overlapsWith(
  deps: Dependencies,
  benchmarks: PoolInput['benchmarks'],
  sizes: { readonly words: number; readonly fewestWords: number },
): Promise<BenchmarkOverlaps> {
  const overlaps = new BenchmarkOverlaps(sizes);
  for (const { name, pairs } of benchmarks) {
    for await (const { id, instruction } of recordsBehind<{ id: unknown; instruction?: unknown }>(
      deps.store,
      pairs,
    )) {
      if (typeof instruction !== 'string') {
        throw new InputProblem(
          `benchmark ${name} has rows without an instruction, so the pool can't be compared with it: set ` +
            'instructions.filters.decontamination to null to go on without',
        );
      }
      overlaps.add(name, String(id), instruction);
    }
  }
  return overlaps;
}

function countsOf({ rows, instructions, setAside, reasons }: CollectedPool): Counts {
  const byReason = reasons.map(({ kind, reason, count }) => [`${kind}: ${reason}`, count]);
  return { rows, instructions, setAside, ...Object.fromEntries(byReason) };
}

function nothingLeft(files: readonly PoolFile[], { rows, reasons }: CollectedPool): string {
  const paths = files.map(({ path }) => path).join(', ');
  const why = reasons.map(({ reason, count }) => `${reason} ${count}`).join(', ');
  return `instructions.pool: no instruction in ${paths}: ${rows} rows${why === '' ? '' : `, left out: ${why}`}`;
}
