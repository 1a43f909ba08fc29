import type { StageName } from '../api/stages.ts';
import type { ArtifactReference } from '../store/artifact.ts';
import { readShardReferences } from '../store/shards.ts';
import type { ArtifactStore } from '../store/artifact-store.ts';
import { toReference } from '../store/artifact.ts';
import type { PairsJudgingResult } from '../api/pairs-judging-result.ts';
import { JudgingFiguresCounter } from '../pair-judging/judging-figures.ts';
import { type IndexedFilePair, shardVerdicts } from '../pair-judging/judge-shard.ts';
import type { JudgedPair } from '../pair-judging/judged-pair.ts';
import { withHeartbeats } from './heartbeats.ts';
import type { Dependencies } from './dependencies.ts';
import { openPairsJudging } from '../runs/open-run.ts';
import { runUris } from '../runs/run-layout.ts';
import type { Model, RunReference } from '../api/activity-types.ts';

export interface FinishPairsJudgingInput {
  readonly run: RunReference;
  readonly model: Model;
  /** The index of the shards of pairs; `comparisons` is that of their judgments. */
  readonly pairs: ArtifactReference;
  readonly comparisons: ArtifactReference;
  readonly skipped: number;
  readonly seconds: number;
  readonly warnings: readonly string[];
}

/** Publishes all verdicts as one artifact in the order of the file, counts them, and writes `result.json`. */
export function finishPairsJudging(
  deps: Dependencies,
  input: FinishPairsJudgingInput,
): Promise<PairsJudgingResult> {
  return withHeartbeats(async ({ report }) => {
    const { store } = deps;
    const { run, model, pairs, comparisons, skipped, seconds, warnings } = input;
    const { judge } = await openPairsJudging(store, run);
    const uri = runUris.verdicts(run.runName);
    const fingerprint = {
      schema: 1,
      stage: 'finishPairsJudging' satisfies StageName,
      pairs: pairs.sha256,
      comparisons: comparisons.sha256,
    };
    const counter = new JudgingFiguresCounter();
    for await (const { judged, prompt } of judgedPairs(store, input)) {
      counter.add(judged, prompt);
      report({ pairs: judged.row + 1 });
    }
    const verdictsArtifact =
      (await store.findIntact(uri, fingerprint)) ??
      (await store.publish(uri, { fingerprint, records: verdicts(store, input) }));
    const result: PairsJudgingResult = {
      runName: run.runName,
      model: { checkpoint: model.checkpoint, sha256: model.sha256 },
      judge: { run: judge.run, iteration: judge.iteration },
      figures: counter.figures,
      verdicts: toReference(verdictsArtifact),
      skipped,
      seconds,
      warnings,
    };
    await store.writeText(runUris.result(run.runName), `${JSON.stringify(result, undefined, 2)}\n`);
    return result;
  });
}

/** Gives the record of each pair, in the order of the file. */
async function* verdicts(...input: Parameters<typeof judgedPairs>): AsyncGenerator<JudgedPair> {
  for await (const { judged } of judgedPairs(...input)) yield judged;
}

/** Gives a record for each pair, also for a rejected one, with its prompt. One shard is in memory at a time. */
async function* judgedPairs(
  store: ArtifactStore,
  { pairs, comparisons }: Pick<FinishPairsJudgingInput, 'pairs' | 'comparisons'>,
): AsyncGenerator<{ judged: JudgedPair; prompt: string }> {
  const comparisonsOf = await readShardReferences(store, comparisons);
  for (const [number, shard] of (await readShardReferences(store, pairs)).entries()) {
    const reference = comparisonsOf[number];
    if (reference === undefined) throw new Error(`${comparisons.uri} has no shard ${number}`);
    const units = await store.readRecords<IndexedFilePair>(shard);
    const prompts = new Map(units.map(({ row, pair }) => [row, pair.instruction]));
    for await (const judged of shardVerdicts(store, units, reference))
      yield { judged, prompt: prompts.get(judged.row) ?? judged.id };
  }
}
