import { InputProblem } from '../artifacts/errors.ts';
import type { ArtifactReference } from '../artifacts/reference.ts';
import { completedIndex, publishIndex, publishInShards, recordsBehind } from '../artifacts/shards.ts';
import { referenceTo } from '../artifacts/store.ts';
import { shuffledById } from '../judge/seeds.ts';
import { withHeartbeats } from './attempt.ts';
import type { CategorizedInstruction } from './categorize-instructions.ts';
import type { Dependencies } from './dependencies.ts';
import { openRun, runUris } from './open-run.ts';
import type { Instruction } from './prepare-pool.ts';
import type { RunReference, StageResult } from './types.ts';

/**
 * Keeps the instructions of the wanted categories, at most as many as the configuration says, chosen by the seed, and
 * cuts them into the shards that pairs and judgments follow.
 */
export function selectInstructions(
  deps: Dependencies,
  input: { readonly run: RunReference; readonly input: ArtifactReference },
): Promise<StageResult> {
  return withHeartbeats(async () => {
    const began = Date.now();
    const { configuration } = await openRun(deps.store, input.run);
    const { categories, maximum, shardSize } = configuration.instructions;
    const keep = categories?.keep ?? null;
    const uri = runUris.selected(input.run.runName);
    const fingerprint = {
      schema: 1,
      stage: 'select-instructions',
      seed: configuration.seed,
      input: input.input.sha256,
      keep,
      maximum,
    };
    const complete = await completedIndex(deps.store, uri, fingerprint);
    const index = complete ?? (await publishSelection());
    return { artifact: referenceTo(index), counts: index.counts, seconds: (Date.now() - began) / 1000 };

    async function publishSelection() {
      const wanted: Instruction[] = [];
      for await (const { id, instruction, category } of recordsBehind<
        Instruction & Partial<CategorizedInstruction>
      >(deps.store, input.input)) {
        if (keep === null || (typeof category === 'string' && keep.includes(category)))
          wanted.push({ id, instruction });
      }
      if (wanted.length === 0) {
        throw new InputProblem(
          `no instruction is in the categories that are kept (${keep?.join(', ')}): see the counts by category in ` +
            `${deps.store.path(runUris.categories(input.run.runName))}, then change instructions.categories`,
        );
      }
      const selected = shuffledById(wanted, configuration.seed, 'select', ({ id }) => id)
        .slice(0, maximum ?? wanted.length)
        .sort((a, b) => (a.id < b.id ? -1 : 1));
      const shards = await publishInShards(deps.store, uri, selected, shardSize, fingerprint);
      return publishIndex(deps.store, uri, shards, { fingerprint, counts: { selected: selected.length } });
    }
  });
}
