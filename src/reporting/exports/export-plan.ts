/** Plans the export of a run: a judge, the training sets up to its iteration, and their cards. */
import { normalize, isAbsolute } from 'node:path';
import { isTrainingRun, type ResolvedConfiguration } from '../../runs/open-run.ts';
import { runUris } from '../../runs/run-layout.ts';
import { InvalidInput } from '../../platform/invalid-input.ts';
import { ArtifactDamaged, MADE_AGAIN } from '../../store/errors.ts';
import type { ArtifactStore } from '../../store/artifact-store.ts';
import { fileKey, RECORDS_FILE } from '../../store/manifest.ts';
import { KIND_LABELS } from '../../config/configuration-kind.ts';
import type { InputFiles } from '../../platform/input-files.ts';
import { JUDGE_FILE } from '../../api/judge-file.ts';
import { prunedModelMessage } from '../../models/training/pruned-model.ts';
import type { TrainingResult } from '../../models/training/job.ts';
import { readStoredTraining } from '../../models/training/stored-training.ts';
import type { StoredRun } from '../../runs/stored-run.ts';
import { type ExportedSet, PARQUET_FILE } from '../training-row-formats.ts';
import { CARD_FILE } from '../training-row-formats.ts';
import { judgeCard, trainingRowFormat, trainingSetCard } from './run-cards.ts';

/**
 * A file of an export: a copy of an object of the store with its recorded hash, or a text. Files that a run in progress
 * rewrites are exported as texts, so that they don't change after planning.
 */
export type ExportFile = { readonly path: string } & (
  { readonly key: string; readonly sha256: string } | { readonly text: string }
);

export interface ExportPlan {
  readonly runName: string;
  readonly iteration: number;
  /** Undefined if the judge is the seed model, which only its owner may distribute. */
  readonly modelSha256: string | undefined;
  /** Paths relative to the export, with "/". */
  readonly files: readonly ExportFile[];
}

/**
 * @param iteration the judge's iteration, whose training sets are those up to it; undefined for the best judge and all sets
 * @throws InvalidInput if there is nothing to export; ArtifactDamaged if a file differs from its recorded hash
 */
export async function exportPlan(
  store: ArtifactStore,
  files: InputFiles,
  run: StoredRun,
  iteration: number | undefined,
): Promise<ExportPlan> {
  const { runName, judges, best } = run;
  const resolved = trainingRun(run);
  const wanted = iteration ?? best;
  const sets = await exportedSets(store, run, resolved, iteration ?? Infinity);
  if (wanted === 0 && sets.length === 0)
    throw new InvalidInput(`${runName} has nothing to export yet: no judge has been trained and evaluated`);
  const trained = wanted === 0 ? undefined : await trainedModel(store, run, wanted);
  const about = { runName, iterations: judges, iteration: wanted, warnings: warningsOf(run) };
  const card =
    trained && (await judgeCard({ store, files }, { ...about, versions: trained.versions }, resolved));
  return {
    runName,
    iteration: wanted,
    modelSha256: trained?.model.sha256,
    files: [
      ...(trained?.model.files ?? []).map(({ name, sha256 }) => ({
        path: `model/${checkedName(name)}`,
        key: `${runUris.training(runName, wanted)}/model/${name}`,
        sha256,
      })),
      ...(card === undefined ? [] : [{ path: `model/${CARD_FILE}`, text: card }]),
      ...(trained === undefined
        ? []
        : await textIfExists(store, runUris.judgeFile(runName, wanted), `model/${JUDGE_FILE}`)),
      ...sets.flatMap(({ files: ofSet }) => ofSet),
      ...(sets.length === 0
        ? []
        : [
            {
              path: `datasets/${CARD_FILE}`,
              text: trainingSetCard(
                runName,
                sets.map(({ set }) => set),
                resolved.configuration,
              ),
            },
          ]),
      ...(await textIfExists(store, runUris.report(runName), 'report.html')),
      ...(await textIfExists(store, runUris.result(runName), 'result.json')),
    ],
  };
}

function trainingRun({ runName, kind, resolved }: StoredRun): ResolvedConfiguration {
  if (kind !== 'run')
    throw new InvalidInput(
      `${runName} is ${KIND_LABELS[kind]}: it trains no judge, so there is nothing to export`,
    );
  if (resolved === undefined || !isTrainingRun(resolved))
    throw new InvalidInput(`${runName} has no configuration in the store, so it can't be exported`);
  return resolved;
}

function warningsOf({ result, state }: StoredRun): readonly string[] {
  return result?.warnings ?? state?.warnings ?? [];
}

async function trainedModel(
  store: ArtifactStore,
  { runName, judges, best }: StoredRun,
  iteration: number,
): Promise<TrainingResult> {
  const evaluated = judges.filter((judge) => judge.iteration > 0).map((judge) => judge.iteration);
  const result = evaluated.includes(iteration)
    ? await readStoredTraining(store, runUris.training(runName, iteration))
    : undefined;
  if (result === undefined)
    throw new InvalidInput(
      `${runName} has no trained and evaluated judge of iteration ${iteration}` +
        (evaluated.length === 0 ? '' : `; it has those of ${evaluated.join(', ')}`),
    );
  const freed = await prunedModelMessage(store, `${runUris.training(runName, iteration)}/model`);
  if (freed !== undefined) throw new InvalidInput(`${freed}. The best judge is that of iteration ${best}`);
  return result;
}

async function exportedSets(
  store: ArtifactStore,
  { runName, judges, endStatus: ended }: StoredRun,
  { configuration }: ResolvedConfiguration,
  upTo: number,
): Promise<{ set: ExportedSet; files: ExportFile[] }[]> {
  const sets: { set: ExportedSet; files: ExportFile[] }[] = [];
  for (const { iteration } of judges) {
    if (iteration === 0 || iteration > upTo) continue;
    const uri = runUris.exportedSet(runName, iteration);
    const manifest = await store.readManifest(uri);
    const parquet = manifest?.files?.[PARQUET_FILE];
    if (manifest === undefined || parquet === undefined)
      throw new InvalidInput(
        `${store.locate(uri)} is missing: the run writes it after each iteration. ` +
          (ended === undefined
            ? 'It may be writing it now: try again in a minute; if the run is not open, start it again under its name'
            : 'Start the run again under its name'),
      );
    const copied = (name: string, sha256: string): ExportFile => ({
      path: `datasets/iteration-${iteration}/${name}`,
      key: fileKey(manifest, name),
      sha256,
    });
    sets.push({
      set: { iteration, rowFormat: trainingRowFormat(configuration, iteration), rows: manifest.records },
      files: [copied(PARQUET_FILE, parquet), copied(RECORDS_FILE, manifest.sha256)],
    });
  }
  return sets;
}

async function textIfExists(store: ArtifactStore, uri: string, path: string): Promise<ExportFile[]> {
  const text = await store.readText(uri);
  if (text === undefined) return [];
  if (path.endsWith('.json') && !isJson(text))
    throw new ArtifactDamaged(
      `${store.locate(uri)} is not JSON: it is damaged and was not exported. ${MADE_AGAIN}`,
    );
  return [{ path, text }];
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** Checks a file name from a training's result. It becomes a path, so it must not lead out of the folder. */
function checkedName(name: string): string {
  if (name === '' || isAbsolute(name) || normalize(name) !== name || name.split('/').includes('..'))
    throw new InvalidInput(
      `the training's result names a file ${JSON.stringify(name)}, which is not a valid name of a model's file`,
    );
  return name;
}
