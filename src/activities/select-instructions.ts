import { InputProblem } from '../artifacts/errors.ts';
import type { ArtifactReference, Counts, Fingerprint } from '../artifacts/reference.ts';
import { completedIndex, publishIndex, publishInShards, recordsBehind } from '../artifacts/shards.ts';
import { referenceTo } from '../artifacts/store.ts';
import { generationOf, type Generation } from '../config/pair-source.ts';
import type { Configuration } from '../config/schema.ts';
import { selectBySeed } from '../pools/select-by-seed.ts';
import { withHeartbeats } from './attempt.ts';
import type { CategorizedInstruction } from './categorize-instructions.ts';
import type { Dependencies } from './dependencies.ts';
import { openRun, runUris } from './open-run.ts';
import type { Instruction } from './prepare-pool.ts';
import type { RunReference, StageResult } from './types.ts';

type Candidate = Instruction & Partial<CategorizedInstruction>;

/**
 * Keeps the instructions of the wanted categories and complexity, at most as many as the configuration says, chosen by
 * the seed, and cuts them into the shards that pairs and judgments follow. The input is sorted by id and read twice:
 * memory holds 8 bytes for each instruction, and one shard's texts.
 */
export function selectInstructions(
  deps: Dependencies,
  input: { readonly run: RunReference; readonly input: ArtifactReference },
): Promise<StageResult> {
  return withHeartbeats(async () => {
    const began = Date.now();
    const { configuration } = await openRun(deps.store, input.run);
    const { instructions } = generationOf(configuration);
    const { categories, complexity, maximum, shardSize } = instructions;
    const { seed } = configuration;
    const uri = runUris.selected(input.run.runName);
    const fingerprint = selectionFingerprint(configuration, input.input);
    const complete = await completedIndex(deps.store, uri, fingerprint);
    const index = complete ?? (await publishSelection());
    return { artifact: referenceTo(index), counts: index.counts, seconds: (Date.now() - began) / 1000 };

    async function publishSelection() {
      const chosen = new Map<string, number>();
      const shards = await publishInShards(deps.store, uri, selected(chosen), shardSize, fingerprint);
      const records = shards.reduce((sum, shard) => sum + shard.records, 0);
      return publishIndex(deps.store, uri, shards, {
        fingerprint,
        counts: { selected: records, ...countsByKind(chosen) },
      });
    }

    async function* selected(chosen: Map<string, number>): AsyncGenerator<Instruction> {
      const { ids, isSelected } = await selectBySeed(wanted(), maximum, seed);
      if (ids === 0) throw nothingWanted();
      for await (const candidate of wanted()) {
        if (!isSelected(candidate.id)) continue;
        for (const kind of kindsOf(candidate)) chosen.set(kind, (chosen.get(kind) ?? 0) + 1);
        const { id, instruction, conversation } = candidate;
        yield { id, instruction, ...(conversation === undefined ? {} : { conversation }) };
      }
    }

    async function* wanted(): AsyncGenerator<Candidate> {
      for await (const candidate of recordsBehind<Candidate>(deps.store, input.input))
        if (isWanted(candidate, instructions)) yield candidate;
    }

    function nothingWanted(): InputProblem {
      const asked = [
        ...(categories === null ? [] : [`in the categories that are kept (${categories.keep.join(', ')})`]),
        ...(complexity === null ? [] : [`of complexity ${complexity.minimum} to ${complexity.maximum}`]),
      ];
      return new InputProblem(
        `no instruction is ${asked.join(' and ')}: see the counts in ` +
          `${deps.store.path(runUris.categories(input.run.runName))}, then change instructions.categories` +
          `${complexity === null ? '' : ' or instructions.complexity'}`,
      );
    }
  });
}

/** What a selection from the pool, or from its categories, means. */
export function selectionFingerprint(
  configuration: Configuration,
  input: Pick<ArtifactReference, 'sha256'>,
): Fingerprint {
  const { categories, complexity, maximum } = generationOf(configuration).instructions;
  return {
    schema: 2,
    stage: 'select-instructions',
    seed: configuration.seed,
    input: input.sha256,
    keep: categories?.keep ?? null,
    complexity: complexity && { minimum: complexity.minimum, maximum: complexity.maximum },
    maximum,
  };
}

function isWanted(
  { category, complexity: found }: Candidate,
  { categories, complexity }: Generation['instructions'],
): boolean {
  if (categories !== null && !(typeof category === 'string' && categories.keep.includes(category)))
    return false;
  return (
    complexity === null ||
    (typeof found === 'number' && found >= complexity.minimum && found <= complexity.maximum)
  );
}

/** What the report counts a selected instruction under. */
function kindsOf({ category, complexity }: Candidate): string[] {
  return [
    ...(typeof category === 'string' ? [`category: ${category}`] : []),
    ...(typeof complexity === 'number' ? [`complexity: ${complexity}`] : []),
  ];
}

function countsByKind(chosen: ReadonlyMap<string, number>): Counts {
  const kinds = [...chosen.keys()].sort();
  return Object.fromEntries(kinds.map((kind) => [`selected ${kind}`, chosen.get(kind) ?? 0]));
}
