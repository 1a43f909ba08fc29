import type { Model, RunReference, TrainingCheckpoint, ValidatedCheckpoint } from '../api/activity-types.ts';
import { bestCheckpoint } from '../method/model-selection.ts';
import { RESULT_FILE, type TrainingResult } from '../models/training/job.ts';
import {
  findAdapterDamage,
  findModelDamage,
  readTrainingResult,
} from '../models/training/model-integrity.ts';
import { FIRST_DELETED_FILE, prunedModel, recordPrunedModel } from '../models/training/pruned-model.ts';
import { InvalidInput } from '../platform/invalid-input.ts';
import { writeInitialJudgeFile } from '../reporting/exports/write-judge-files.ts';
import { removeCheckpointCopies, storeUriOf, toStoreCheckpoint } from '../runs/find-checkpoint.ts';
import { openRun } from '../runs/open-run.ts';
import { runUris } from '../runs/run-layout.ts';
import type { ArtifactStore } from '../store/artifact-store.ts';
import { ArtifactDamaged } from '../store/errors.ts';
import { readShardReferences, shardUri } from '../store/shards.ts';
import type { Dependencies } from './dependencies.ts';
import { withHeartbeats } from './heartbeats.ts';
import {
  FINGERPRINT_FILE,
  recordFingerprint,
  selectedJudgeFingerprint,
  trainingFingerprint,
  type TrainingInput,
} from './training-fingerprint.ts';

export interface SelectCheckpointInput extends TrainingInput {
  readonly run: RunReference;
  /** All of the training. */
  readonly checkpoints: readonly ValidatedCheckpoint[];
}

/**
 * Makes the checkpoint with the best validation figure the judge of the iteration: its files are moved, so that no second copy
 * of large weights is needed, and the weights of the others are deleted. `result.json` of the judge is written last; an attempt
 * that finds only some files moved moves the rest. Its answers on the benchmarks become the first ones of the judge, which is
 * the same model.
 * @throws ArtifactDamaged if files are missing or damaged; the training was quarantined then, and must be repeated
 */
export function selectCheckpoint(
  deps: Dependencies,
  input: SelectCheckpointInput,
): Promise<{ readonly step: number; readonly model: Model }> {
  return withHeartbeats(async () => {
    const { store } = deps;
    const { runName } = input.run;
    const { iteration, checkpoints } = input;
    const resolved = await openRun(store, input.run);
    const { configuration } = resolved;
    const chosen = bestCheckpoint(checkpoints, configuration.modelSelection);
    if (chosen === undefined)
      throw new InvalidInput(`iteration ${iteration} has no checkpoints to choose from`);
    const uri = runUris.training(runName, iteration);
    const fingerprint = selectedJudgeFingerprint(
      configuration,
      trainingFingerprint(configuration, input),
      chosen.step,
    );
    try {
      await recordFingerprint(store.objects, uri, fingerprint);
      await publishJudge(store, uri, chosen, checkpoints);
    } catch (error) {
      if (error instanceof ArtifactDamaged)
        for (const folder of [runUris.trainer(runName, iteration), uri])
          await store.quarantineFolder(folder, error.message, [RESULT_FILE, FINGERPRINT_FILE]);
      throw error;
    }
    for (const { benchmark } of chosen.evaluations)
      await copyShards(
        store,
        runUris.evaluation(runName, iteration, benchmark, chosen.step),
        runUris.evaluation(runName, iteration, benchmark),
      );
    await writeInitialJudgeFile(deps, iteration, resolved);
    const model = { checkpoint: toStoreCheckpoint(`${uri}/model`), sha256: chosen.model.sha256 };
    return { step: chosen.step, model };
  });
}

/** @throws ArtifactDamaged */
async function publishJudge(
  store: ArtifactStore,
  uri: string,
  chosen: TrainingCheckpoint,
  checkpoints: readonly TrainingCheckpoint[],
): Promise<void> {
  const judge = store.objectsBelow(uri);
  const published = await readTrainingResult(judge);
  if (published !== undefined) {
    if ((await prunedModel(store, uri)) !== undefined) return;
    const damage = await findModelDamage(judge, published, 'content');
    if (damage !== undefined) throw new ArtifactDamaged(damage);
    return;
  }
  const from = folderOf(chosen);
  const key = `${from}/${RESULT_FILE}`;
  const content = (await store.objects.get(key))?.content;
  const result = await readTrainingResult(store.objectsBelow(from));
  if (content === undefined || result === undefined)
    throw new ArtifactDamaged(`${store.locate(key)} is missing`);
  const prunedAt = new Date().toISOString();
  for (const checkpoint of checkpoints) {
    const bytes = result.model.files.reduce((sum, file) => sum + file.bytes, 0);
    const because =
      checkpoint.step === chosen.step
        ? `was moved to ${store.locate(uri)} when validation chose it`
        : `was deleted when validation chose the checkpoint of step ${chosen.step}`;
    await recordPrunedModel(store, folderOf(checkpoint), { prunedAt, bytes, because });
  }
  await moveWeights(store, from, uri, result);
  const damage =
    (await findModelDamage(judge, result, 'sizes')) ??
    (result.adapter && (await findAdapterDamage(judge, result.adapter)));
  if (damage !== undefined) throw new ArtifactDamaged(damage);
  for (const checkpoint of checkpoints) await deleteWeights(store, folderOf(checkpoint));
  await judge.put(RESULT_FILE, content);
}

/** The file that a model can't be used without is moved first: the checkpoint counts as pruned from then on. */
async function moveWeights(
  { objects }: ArtifactStore,
  from: string,
  to: string,
  { model, adapter }: TrainingResult,
): Promise<void> {
  const first = ({ name }: { readonly name: string }) => name === FIRST_DELETED_FILE;
  const files = [...model.files.filter(first), ...model.files.filter((file) => !first(file))];
  const names = [
    ...files.map(({ name }) => `model/${name}`),
    ...(adapter?.files ?? []).map(({ name }) => `adapter/${name}`),
  ];
  for (const name of names) await objects.move(`${from}/${name}`, `${to}/${name}`);
}

async function deleteWeights(store: ArtifactStore, folder: string): Promise<void> {
  const { objects } = store;
  await objects.delete(`${folder}/model/${FIRST_DELETED_FILE}`);
  for (const part of ['model', 'adapter']) {
    await removeCheckpointCopies(store, `${folder}/${part}`);
    for (const { key } of await objects.list(`${folder}/${part}`)) await objects.delete(key);
  }
}

/** Publishes the shards of an evaluation in another place too. */
async function copyShards(store: ArtifactStore, from: string, to: string): Promise<void> {
  const index = await store.readManifest(`${from}/index`);
  if (index === undefined) throw new ArtifactDamaged(`${store.locate(`${from}/index`)} is missing`);
  for (const [number, shard] of (await readShardReferences(store, index)).entries()) {
    if ((await store.readManifest(shardUri(to, number))) !== undefined) continue;
    const manifest = await store.readManifest(shard.uri);
    if (manifest === undefined) throw new ArtifactDamaged(`${store.locate(shard.uri)} is missing`);
    const { fingerprint, counts, summary } = manifest;
    const files: Record<string, unknown[]> = {};
    for (const name of Object.keys(manifest.files ?? {}))
      files[name] = await store.readLines<unknown>(shard.uri, name);
    await store.publish(shardUri(to, number), {
      fingerprint,
      records: await store.readRecords<unknown>(shard),
      counts,
      ...(summary === undefined ? {} : { summary }),
      ...(manifest.files === undefined ? {} : { files }),
    });
  }
}

/** The folder that holds the `model` of a checkpoint. */
function folderOf({ model }: TrainingCheckpoint): string {
  const uri = storeUriOf(model.checkpoint);
  if (uri?.endsWith('/model') !== true)
    throw new InvalidInput(`${model.checkpoint} is no checkpoint of a training`);
  return uri.slice(0, -'/model'.length);
}
