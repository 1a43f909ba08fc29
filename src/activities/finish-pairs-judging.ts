import type { ArtifactReference } from '../artifacts/reference.ts';
import { SET_ASIDE_FILE, type SetAside } from '../artifacts/resume-shard.ts';
import { shardsOf } from '../artifacts/shards.ts';
import { type ArtifactStore, referenceTo, writeFileAtomically } from '../artifacts/store.ts';
import type { JudgingResult } from '../contract/judging-result.ts';
import { FiguresCounter } from '../judging/figures.ts';
import { failedPair, type JudgedPair } from '../judging/judged-pair.ts';
import { withHeartbeats } from './attempt.ts';
import type { Dependencies } from './dependencies.ts';
import { openJudging, runUris } from './open-run.ts';
import type { GivenPairRecord } from './prepare-pairs-to-judge.ts';
import type { Model, RunReference } from './types.ts';

export interface FinishPairsJudgingInput {
  readonly run: RunReference;
  readonly model: Model;
  /** The shards of pairs, and of what the judge said about each. */
  readonly pairs: ArtifactReference;
  readonly comparisons: ArtifactReference;
  readonly tokens: JudgingResult['figures']['tokens'];
  readonly setAside: number;
  readonly seconds: number;
  readonly warnings: readonly string[];
}

/** Puts all verdicts into one artifact, in the order of the file, counts them, and writes `result.json`. */
export function finishPairsJudging(
  deps: Dependencies,
  input: FinishPairsJudgingInput,
): Promise<JudgingResult> {
  return withHeartbeats(async ({ report }) => {
    const { store } = deps;
    const { run, model, pairs, comparisons, tokens, setAside, seconds, warnings } = input;
    const { judge } = await openJudging(store, run);
    const uri = runUris.verdicts(run.runName);
    const fingerprint = {
      schema: 1,
      stage: 'verdicts',
      pairs: pairs.sha256,
      comparisons: comparisons.sha256,
    };
    const counter = new FiguresCounter();
    for await (const judged of verdicts(store, input)) {
      counter.add(judged);
      report({ pairs: judged.row + 1 });
    }
    const verdictsArtifact =
      (await store.completed(uri, fingerprint)) ??
      (await store.publish(uri, { fingerprint, records: verdicts(store, input) }));
    const result: JudgingResult = {
      runName: run.runName,
      model: { checkpoint: model.checkpoint, sha256: model.sha256 },
      judge: { run: judge.run, iteration: judge.iteration },
      figures: { ...counter.figures, tokens },
      verdicts: referenceTo(verdictsArtifact),
      setAside,
      seconds,
      warnings,
    };
    const path = store.path(runUris.result(run.runName));
    await writeFileAtomically(path, `${JSON.stringify(result, undefined, 2)}\n`);
    return result;
  });
}

/** A line for each pair, also where the endpoint has refused it; one shard in memory at a time. */
async function* verdicts(
  store: ArtifactStore,
  { pairs, comparisons }: Pick<FinishPairsJudgingInput, 'pairs' | 'comparisons'>,
): AsyncGenerator<JudgedPair> {
  const given = await shardsOf(store, pairs);
  const judged = await shardsOf(store, comparisons);
  for (const [number, shard] of given.entries()) {
    const ofShard = judged[number];
    if (ofShard === undefined) throw new Error(`${comparisons.uri} has no shard ${number}`);
    const byId = new Map((await store.records<JudgedPair>(ofShard)).map((one) => [one.id, one]));
    const failed = new Map(
      (await store.lines<SetAside>(ofShard.uri, SET_ASIDE_FILE)).map((one) => [one.id, one]),
    );
    for (const { id, row, pair } of await store.records<GivenPairRecord>(shard)) {
      const found = byId.get(id);
      const { reason = 'unknown', detail = '' } = failed.get(id) ?? {};
      const { better } = pair;
      yield found === undefined
        ? failedPair({ row, id: pair.id, better }, { reason, detail })
        : { ...found, id: pair.id };
    }
  }
}
