/** What an export of a run is made of: a judge, the training sets that led to it, their cards. */
import { join, normalize, isAbsolute } from 'node:path';
import { judgeCard, layoutOf, trainingSetsCard } from '../activities/export-outputs.ts';
import { runUris, type ResolvedConfiguration } from '../activities/open-run.ts';
import { InputProblem } from '../artifacts/errors.ts';
import { readTextIfThere } from '../artifacts/on-disk.ts';
import { RECORDS_FILE, type ArtifactStore } from '../artifacts/store.ts';
import { CALLED } from '../config/kind.ts';
import type { InputFiles } from '../config/input-files.ts';
import { JUDGE_FILE } from '../contract/judge-file.ts';
import { PARQUET_FILE, type ExportedSet } from '../outputs/dataset-card.ts';
import { CARD_FILE } from '../outputs/model-folder.ts';
import { freedMessage } from '../training/freed-model.ts';
import type { TrainingResult } from '../training/job.ts';
import { readResult } from '../training/model-damage.ts';
import type { StoredRun } from './stored-run.ts';

/**
 * A file of an export: a copy of one of the store, with the hash that was recorded for it, or a text. What a run that is
 * under way writes anew is a text: it stays as it was planned.
 */
export type ExportFile = { readonly path: string } & (
  { readonly file: string; readonly sha256: string } | { readonly text: string }
);

export interface ExportPlan {
  readonly runName: string;
  readonly iteration: number;
  /** Undefined where the judge is the seed model, which is nobody's to hand on but its owner's. */
  readonly modelSha256: string | undefined;
  /** Paths relative to the export, with "/". */
  readonly files: readonly ExportFile[];
}

/**
 * @param iteration of the judge; its training sets are those up to it, or all where it is undefined and the best judge is meant
 * @throws InputProblem where there is nothing of the kind; ArtifactDamaged where a part is not what was recorded
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
    throw new InputProblem(`${runName} has nothing to export yet: no judge is trained and evaluated`);
  const folder = store.path(runUris.training(runName, wanted));
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
        file: join(folder, 'model', name),
        sha256,
      })),
      ...(card === undefined ? [] : [{ path: `model/${CARD_FILE}`, text: card }]),
      ...(trained === undefined
        ? []
        : await textIfThere(store, runUris.judgeFile(runName, wanted), `model/${JUDGE_FILE}`)),
      ...sets.flatMap(({ files: ofSet }) => ofSet),
      ...(sets.length === 0
        ? []
        : [
            {
              path: `datasets/${CARD_FILE}`,
              text: trainingSetsCard(
                runName,
                sets.map(({ set }) => set),
                resolved.configuration,
              ),
            },
          ]),
      ...(await textIfThere(store, runUris.report(runName), 'report.html')),
      ...(await textIfThere(store, runUris.result(runName), 'result.json')),
    ],
  };
}

function trainingRun({ runName, kind, resolved }: StoredRun): ResolvedConfiguration {
  if (kind !== 'run')
    throw new InputProblem(`${runName} is ${CALLED[kind]}: it trains nothing, so there is nothing to export`);
  if (resolved === undefined || !('fineTuning' in resolved.configuration))
    throw new InputProblem(`${runName} has no configuration in the store, so nothing of it can be exported`);
  return resolved as ResolvedConfiguration;
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
  const folder = store.path(runUris.training(runName, iteration));
  const result = evaluated.includes(iteration) ? await readResult(folder) : undefined;
  if (result === undefined)
    throw new InputProblem(
      `${runName} has no trained and evaluated judge of iteration ${iteration}` +
        (evaluated.length === 0 ? '' : `; it has those of ${evaluated.join(', ')}`),
    );
  const freed = freedMessage(join(folder, 'model'));
  if (freed !== undefined) throw new InputProblem(`${freed}. The best judge is that of iteration ${best}`);
  return result;
}

async function exportedSets(
  store: ArtifactStore,
  { runName, judges, ended }: StoredRun,
  { configuration }: ResolvedConfiguration,
  upTo: number,
): Promise<{ set: ExportedSet; files: ExportFile[] }[]> {
  const sets: { set: ExportedSet; files: ExportFile[] }[] = [];
  for (const { iteration } of judges) {
    if (iteration === 0 || iteration > upTo) continue;
    const uri = runUris.exportedSet(runName, iteration);
    const manifest = await store.manifest(uri);
    const parquet = manifest?.files?.[PARQUET_FILE];
    if (manifest === undefined || parquet === undefined)
      throw new InputProblem(
        `${store.path(uri)} is missing: the run makes it after each iteration. ` +
          (ended === undefined
            ? 'It may be making it just now: try again in a minute; if it is not under way, start it again under its name'
            : 'Start the run again under its name'),
      );
    const copied = (name: string, sha256: string): ExportFile => ({
      path: `datasets/iteration-${iteration}/${name}`,
      file: join(store.path(uri), name),
      sha256,
    });
    sets.push({
      set: { iteration, layout: layoutOf(configuration, iteration), rows: manifest.records },
      files: [copied(PARQUET_FILE, parquet), copied(RECORDS_FILE, manifest.sha256)],
    });
  }
  return sets;
}

async function textIfThere(store: ArtifactStore, uri: string, path: string): Promise<ExportFile[]> {
  const text = await readTextIfThere(store.path(uri));
  return text === undefined ? [] : [{ path, text }];
}

/** A name that a training's result gives becomes a path: it must not lead elsewhere. */
function checkedName(name: string): string {
  if (name === '' || isAbsolute(name) || normalize(name) !== name || name.split('/').includes('..'))
    throw new InputProblem(
      `the training's result names a file ${JSON.stringify(name)}, which is no file of a model`,
    );
  return name;
}
