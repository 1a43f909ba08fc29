import type { StageName } from '../api/stages.ts';
import { ArtifactDamaged } from '../store/errors.ts';
import type { Manifest } from '../store/artifact.ts';
import { readShardedRecords } from '../store/shards.ts';
import { toReference } from '../store/artifact.ts';
import type { ArtifactStore } from '../store/artifact-store.ts';
import { JUDGE_FILE } from '../api/judge-file.ts';
import { reasoningMarksOf } from '../config/reasoning.ts';
import type { ResponsePair } from '../method/examples.ts';
import { makeModelFolder, putModelFolder } from '../reporting/exports/model-folder.ts';
import { trainingRows, type PairMetadata } from '../reporting/exports/training-rows.ts';
import { writeParquet } from '../reporting/exports/write-parquet.ts';
import { prunedModel } from '../models/training/pruned-model.ts';
import { findModelDamage } from '../models/training/model-integrity.ts';
import { readStoredTraining } from '../models/training/stored-training.ts';
import { withHeartbeats } from './heartbeats.ts';
import type { Dependencies } from './dependencies.ts';
import { openRun, type ResolvedConfiguration } from '../runs/open-run.ts';
import { runUris } from '../runs/run-layout.ts';
import type { RunReference } from '../api/activity-types.ts';
import type { IterationSummary } from '../api/result.ts';
import { writeJudgeFiles } from '../reporting/exports/write-judge-files.ts';
import type { CategorizedInstruction } from '../runs/records.ts';
import type { TrainingRows } from '../models/training/recipes/recipe.ts';
import { type ExportedSet, PARQUET_FILE } from '../reporting/training-row-formats.ts';
import { CARD_FILE } from '../reporting/training-row-formats.ts';
import { judgeCard, trainingRowFormat, trainingSetCard } from '../reporting/exports/run-cards.ts';

export interface ExportOutputsInput {
  readonly run: RunReference;
  /** All complete iterations, beginning with the seed model. */
  readonly iterations: readonly IterationSummary[];
  readonly best: number;
  readonly warnings: readonly string[];
}

/**
 * Exports the outputs of a run so far for other programs (docs/outputs.md): every training set as JSONL and Parquet
 * with a data set card, and the best judge as a checkpoint with a model card. A training set is an artifact that is
 * made once. Cards and `judge.json` are written again with the figures of each iteration.
 */
export function exportOutputs(deps: Dependencies, input: ExportOutputsInput): Promise<void> {
  return withHeartbeats(async () => {
    const resolved = await openRun(deps.store, input.run);
    await exportTrainingSets(deps, input, resolved);
    await writeJudgeFiles(deps, input.iterations, resolved);
    await exportModel(deps, input, resolved);
  });
}

async function exportTrainingSets(
  { store }: Dependencies,
  { run, iterations }: ExportOutputsInput,
  { configuration }: ResolvedConfiguration,
): Promise<void> {
  const { runName } = run;
  const { filtering, instructions } = configuration;
  const areProvided = configuration.pairs.kind === 'provided';
  // Generated pairs have no origin to name.
  const withSources = areProvided
    ? runUris.pairs(runName)
    : filtering.humanData.length > 0
      ? runUris.judgedPairs(runName)
      : undefined;
  const pairs = withSources === undefined ? undefined : await store.readManifest(`${withSources}/index`);
  const categories =
    (instructions?.categories ?? null) === null
      ? undefined
      : await store.readManifest(`${runUris.categories(runName)}/index`);
  let cachedFacts: PairMetadata | undefined;
  const facts = async () => (cachedFacts ??= await pairFacts(pairs, categories));
  const sets: ExportedSet[] = [];
  for (const { iteration } of iterations.slice(1)) {
    const trainingSet = await store.readManifest(runUris.trainingSet(runName, iteration));
    if (trainingSet === undefined)
      throw new ArtifactDamaged(`${store.locate(runUris.trainingSet(runName, iteration))} is missing`);
    const rowFormat = trainingRowFormat(configuration, iteration);
    await exportSet(trainingSet, iteration, rowFormat);
    sets.push({ iteration, rowFormat, rows: trainingSet.records });
  }
  await store.writeText(
    `${runUris.datasetFolder(runName)}/${CARD_FILE}`,
    trainingSetCard(runName, sets, configuration),
  );

  async function exportSet(trainingSet: Manifest, iteration: number, rowFormat: TrainingRows): Promise<void> {
    const uri = runUris.exportedSet(runName, iteration);
    const fingerprint = {
      schema: 1,
      stage: 'exportOutputs' satisfies StageName,
      format: rowFormat.format,
      trainingSet: trainingSet.sha256,
      pairs: pairs?.sha256 ?? null,
      categories: categories?.sha256 ?? null,
    };
    if ((await store.findIntact(uri, fingerprint)) !== undefined) return;
    const file = await store.localRecords(toReference(trainingSet));
    try {
      const ofPairs = await facts();
      const rows = () => trainingRows(file.path, rowFormat, ofPairs, reasoningMarksOf(configuration));
      await store.publish(uri, {
        fingerprint,
        records: rows(),
        files: { [PARQUET_FILE]: (path) => writeParquet(path, rowFormat, rows()) },
      });
    } finally {
      await file.release();
    }
  }

  /** Keeps one shard in memory at a time, and no text of a pair. */
  async function pairFacts(
    pairs: Manifest | undefined,
    categories: Manifest | undefined,
  ): Promise<PairMetadata> {
    const facts = { sources: new Map<string, string>(), categories: new Map<string, string>() };
    if (pairs !== undefined)
      for await (const { id, source, subset } of readShardedRecords<ResponsePair>(store, pairs)) {
        if (source !== undefined) facts.sources.set(id, source);
        if (subset !== undefined) facts.categories.set(id, subset);
      }
    const kept = instructions?.categories?.keep ?? [];
    if (categories !== undefined)
      for await (const { id, category } of readShardedRecords<CategorizedInstruction>(store, categories))
        if (typeof category === 'string' && kept.includes(category)) facts.categories.set(id, category);
    return facts;
  }
}

async function exportModel(
  deps: Dependencies,
  { run, iterations, best, warnings }: ExportOutputsInput,
  resolved: ResolvedConfiguration,
): Promise<void> {
  const { store } = deps;
  const { runName } = run;
  const summary = iterations[best];
  // The seed model is not exported: only its owner may distribute it.
  if (best === 0 || summary === undefined) return removeModelFolder(store, runName);
  const uri = runUris.training(runName, best);
  // While stages run again, the judge that was chosen earlier is kept until it is reached again.
  if ((await prunedModel(store, uri)) !== undefined) return;
  const result = await readStoredTraining(store, uri);
  const judge = await store.readText(runUris.judgeFile(runName, best));
  if (result === undefined || judge === undefined)
    throw new ArtifactDamaged(`${store.locate(uri)} has no ${result === undefined ? 'result' : JUDGE_FILE}`);
  const about = { runName, iterations, iteration: best, warnings, versions: result.versions };
  const readme = await judgeCard(deps, about, resolved);
  if (readme === undefined) return;
  const files = result.model.files.map(({ name }) => name);
  const damage = await findModelDamage(store.objectsBelow(uri), result, 'content');
  if (damage !== undefined) throw new ArtifactDamaged(`${damage}: the model is damaged and was not exported`);
  const texts = { [CARD_FILE]: readme, [JUDGE_FILE]: judge };
  const [model, folder] = [`${uri}/model`, runUris.modelFolder(runName)];
  if (store.objects.isRemote) await putModelFolder(store.objects, folder, model, files, texts);
  else await makeModelFolder(store.locate(folder), store.locate(model), files, texts);
}

async function removeModelFolder(store: ArtifactStore, runName: string): Promise<void> {
  for (const { key } of await store.objects.list(runUris.modelFolder(runName)))
    await store.objects.delete(key);
}
