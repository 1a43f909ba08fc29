import { InputProblem, TooManySetAside } from '../artifacts/errors.ts';
import { fileSha256 } from '../artifacts/file-hashes.ts';
import type { ArtifactReference, Fingerprint } from '../artifacts/reference.ts';
import { countReasons, SET_ASIDE_FILE, type SetAside } from '../artifacts/resume-shard.ts';
import { publishInShards, shardsOf } from '../artifacts/shards.ts';
import { referenceTo } from '../artifacts/store.ts';
import { readRows } from '../benchmarks/read-rows.ts';
import { resolveInput } from '../config/input-files.ts';
import type { Configuration } from '../config/schema.ts';
import type { ResponsePair } from '../judge/examples.ts';
import { PREFERENCE_COLUMNS, readPreferences } from '../judge/human-preferences.ts';
import { hashOf } from '../judge/seeds.ts';
import { withHeartbeats } from './attempt.ts';
import type { Dependencies } from './dependencies.ts';
import { openRun, runUris } from './open-run.ts';
import type { RunReference, StageResult } from './types.ts';

/**
 * Puts human-labelled pairs beside the generated ones (the paper's ablation): further shards of the same pair set, whose
 * better side a person has named in place of the construction. From here on they are pairs like any other: the current
 * judge argues about them, and what reaches the human label is kept. `filtering.humanData` mixes them by weight when a
 * training set is made.
 */
export function addHumanPairs(
  deps: Dependencies,
  input: { readonly run: RunReference; readonly pairs: ArtifactReference },
): Promise<StageResult> {
  return withHeartbeats(async () => {
    const began = Date.now();
    const { configuration } = await openRun(deps.store, input.run);
    const { humanData, generatedWeight } = configuration.filtering;
    const files = humanData.map(({ path }) => resolveInput(deps.files, path));
    const hashes = await Promise.all(files.map(fileSha256));
    const { human: fingerprint, whole } = humanPairsFingerprints(
      configuration.filtering,
      hashes,
      input.pairs,
    );
    const uri = `${runUris.judgedPairs(input.run.runName)}/index`;
    const complete = await deps.store.completed(uri, whole);
    const index = complete ?? (await publishPairs());
    return { artifact: referenceTo(index), counts: index.counts, seconds: (Date.now() - began) / 1000 };

    async function publishPairs() {
      const maximumSetAsideShare = configuration.inference.maximumSetAsideShare;
      const read = await Promise.all(
        humanData.map((source, number) =>
          readSource(source, number, files[number] ?? '', maximumSetAsideShare),
        ),
      );
      const setAside = read.flatMap((ofSource) => ofSource.setAside);
      const pairs = read.flatMap((ofSource) => ofSource.pairs);
      const human = await publishInShards(
        deps.store,
        runUris.humanPairs(input.run.runName),
        pairs,
        configuration.instructions.shardSize,
        fingerprint,
      );
      const generated = generatedWeight > 0 ? await shardsOf(deps.store, input.pairs) : [];
      return deps.store.publish(uri, {
        fingerprint: whole,
        records: [...generated, ...human.map(referenceTo)],
        counts: { humanPairs: pairs.length, ...countReasons(setAside) },
        files: { [SET_ASIDE_FILE]: setAside },
      });
    }
  });
}

/** What the human pairs of files of these hashes mean, and all pairs that are judged. */
export function humanPairsFingerprints(
  { humanData, generatedWeight }: Configuration['filtering'],
  files: readonly string[],
  pairs: Pick<ArtifactReference, 'sha256'>,
): { readonly human: Fingerprint; readonly whole: Fingerprint } {
  const human = {
    schema: 1,
    stage: 'add-human-pairs',
    humanData: humanData.map(({ name, layout }, index) => ({ name, layout, file: files[index] ?? '' })),
  };
  // Pairs that no training set takes are not judged either.
  return { human, whole: { ...human, pairs: generatedWeight > 0 ? pairs.sha256 : null } };
}

type HumanData = Configuration['filtering']['humanData'][number];

/** The pairs of one file, each once, and what could not be used of it. */
async function readSource(
  { name, path, layout }: HumanData,
  number: number,
  file: string,
  maximumSetAsideShare: number,
): Promise<{ pairs: ResponsePair[]; setAside: SetAside[] }> {
  const byId = new Map<string, ResponsePair>();
  const setAside: SetAside[] = [];
  let read = 0;
  for await (const row of readPreferences(
    readRows(file, { columns: [...PREFERENCE_COLUMNS[layout]] }),
    layout,
  )) {
    read += 1;
    if (row.kind === 'preference') {
      const { instruction, better, worse } = row.preference;
      const id = `${name}-${hashOf(instruction, better, worse)}`;
      byId.set(id, { id, instruction, better, worse, source: name });
    } else setAside.push({ id: `${path}, preference ${read}`, kind: row.kind, reason: row.reason });
  }
  const failed = setAside.filter(({ kind }) => kind === 'failed');
  if (failed.length > read * maximumSetAsideShare) {
    throw new TooManySetAside(
      `filtering.humanData.${number}: ${failed.length} of ${read} preferences of ${file} can't be read as "${layout}", ` +
        `more than the allowed share of ${maximumSetAsideShare} (inference.maximumSetAsideShare). ` +
        `The first one: ${failed[0]?.reason ?? ''}`,
    );
  }
  if (byId.size === 0)
    throw new InputProblem(`filtering.humanData.${number}: no preference is left of ${file}`);
  return { pairs: [...byId.values()].sort((a, b) => (a.id < b.id ? -1 : 1)), setAside };
}
