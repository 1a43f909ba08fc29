import type { StageName } from '../api/stages.ts';
import { InvalidInput } from '../platform/invalid-input.ts';
import type { ArtifactReference, Counts, Fingerprint } from '../store/artifact.ts';
import { findIntactIndex, publishShardIndex, publishShards, readShardedRecords } from '../store/shards.ts';
import { toReference } from '../store/artifact.ts';
import { requireGeneration, type Generation } from '../config/pair-source.ts';
import type { Configuration } from '../config/run-configuration.ts';
import { selectBySeed } from '../datasets/select-by-seed.ts';
import { withHeartbeats } from './heartbeats.ts';
import type { Dependencies } from './dependencies.ts';
import { openRun } from '../runs/open-run.ts';
import { runUris } from '../runs/run-layout.ts';
import type { PoolInstruction } from './prepare-pool.ts';
import type { RunReference, StageResult } from '../api/activity-types.ts';
import type { CategorizedInstruction } from '../runs/records.ts';

type Candidate = PoolInstruction & Partial<CategorizedInstruction>;

/**
 * Selects the instructions of the configured categories and complexity, at most as many as configured, by the seed.
 * Divides them into the shards that are used for pairs and judgments. The input is sorted by id and read twice: memory
 * holds 8 bytes for each instruction and the texts of one shard.
 */
export function selectInstructions(
  deps: Dependencies,
  input: { readonly run: RunReference; readonly input: ArtifactReference },
): Promise<StageResult> {
  return withHeartbeats(async () => {
    const began = Date.now();
    const { configuration } = await openRun(deps.store, input.run);
    const { instructions } = requireGeneration(configuration);
    const { categories, complexity, maxInstructions, shardSize } = instructions;
    const { seed } = configuration;
    const uri = runUris.selected(input.run.runName);
    const fingerprint = selectionFingerprint(configuration, input.input);
    const complete = await findIntactIndex(deps.store, uri, fingerprint);
    const index = complete ?? (await publishSelection());
    return { artifact: toReference(index), counts: index.counts, seconds: (Date.now() - began) / 1000 };

    async function publishSelection() {
      const chosen = new Map<string, number>();
      const shards = await publishShards(deps.store, uri, selected(chosen), shardSize, fingerprint);
      const records = shards.reduce((sum, shard) => sum + shard.records, 0);
      return publishShardIndex(deps.store, uri, shards, {
        fingerprint,
        counts: { selected: records, ...countsByKey(chosen) },
      });
    }

    async function* selected(chosen: Map<string, number>): AsyncGenerator<PoolInstruction> {
      const { ids, isSelected } = await selectBySeed(candidates(), maxInstructions, seed);
      if (ids === 0) throw nothingWanted();
      for await (const candidate of candidates()) {
        if (!isSelected(candidate.id)) continue;
        for (const kind of breakdownKeys(candidate)) chosen.set(kind, (chosen.get(kind) ?? 0) + 1);
        const { id, instruction, conversation } = candidate;
        yield { id, instruction, ...(conversation === undefined ? {} : { conversation }) };
      }
    }

    async function* candidates(): AsyncGenerator<Candidate> {
      for await (const candidate of readShardedRecords<Candidate>(deps.store, input.input))
        if (isWanted(candidate, instructions)) yield candidate;
    }

    function nothingWanted(): InvalidInput {
      const conditions = [
        ...(categories === null ? [] : [`in the categories that are kept (${categories.keep.join(', ')})`]),
        ...(complexity === null ? [] : [`of complexity ${complexity.min} to ${complexity.max}`]),
      ];
      return new InvalidInput(
        `no instruction is ${conditions.join(' and ')}: see the counts in ` +
          `${deps.store.locate(runUris.categories(input.run.runName))}, then change instructions.categories` +
          `${complexity === null ? '' : ' or instructions.complexity'}`,
      );
    }
  });
}

/** The fingerprint inputs of a selection from the pool or from the categorized instructions. */
export function selectionFingerprint(
  configuration: Configuration,
  input: Pick<ArtifactReference, 'sha256'>,
): Fingerprint {
  const { categories, complexity, maxInstructions } = requireGeneration(configuration).instructions;
  return {
    schema: 2,
    stage: 'selectInstructions' satisfies StageName,
    seed: configuration.seed,
    input: input.sha256,
    keep: categories?.keep ?? null,
    complexity,
    maxInstructions,
  };
}

function isWanted(
  { category, complexity: found }: Candidate,
  { categories, complexity }: Generation['instructions'],
): boolean {
  if (categories !== null && !(typeof category === 'string' && categories.keep.includes(category)))
    return false;
  return (
    complexity === null || (typeof found === 'number' && found >= complexity.min && found <= complexity.max)
  );
}

/** The category and complexity under which the report counts a selected instruction. */
function breakdownKeys({ category, complexity }: Candidate): string[] {
  return [
    ...(typeof category === 'string' ? [`category: ${category}`] : []),
    ...(typeof complexity === 'number' ? [`complexity: ${complexity}`] : []),
  ];
}

function countsByKey(chosen: ReadonlyMap<string, number>): Counts {
  const kinds = [...chosen.keys()].sort();
  return Object.fromEntries(kinds.map((kind) => [`selected ${kind}`, chosen.get(kind) ?? 0]));
}
