/** The details of a run from the store: its configuration, judges, usage of each stage, and paths. */
import type { ResolvedPairsJudging } from '../runs/open-run.ts';
import { runUris } from '../runs/run-layout.ts';
import { ArtifactDamaged } from '../store/errors.ts';
import type { ArtifactStore } from '../store/artifact-store.ts';
import { fileKey, RECORDS_FILE } from '../store/manifest.ts';
import { storeUriOf } from '../runs/find-checkpoint.ts';
import { withoutDefaults } from '../config/non-default-fields.ts';
import {
  parseConfiguration,
  parseJudgeEvaluation,
  parsePairsJudging,
} from '../config/parse-configuration.ts';
import type { Drift } from '../api/drift.ts';
import type { PairsJudgingFigures } from '../api/pairs-judging-result.ts';
import type { MachineTimes } from '../api/progress.ts';
import type { ReportIteration } from './report-data.ts';
import { prunedModel } from '../models/training/pruned-model.ts';
import { readPartialIteration, type PartialIteration } from '../runs/partial-iteration.ts';
import type { StoredEvaluatedRun, StoredJudging, StoredRun } from '../runs/stored-run.ts';
import { reportIteration } from './report-iteration.ts';

export interface RunDetails {
  /** Only the fields that are not defaults. Undefined if the store has no configuration. */
  readonly configuration?: object | undefined;
  readonly best: number;
  readonly judges: readonly JudgeDetails[];
  /** The figures of a judging, once it has ended. */
  readonly figures?: PairsJudgingFigures | undefined;
  /** The comparison of an evaluation with earlier figures, once it has ended. */
  readonly drift?: Drift | undefined;
  readonly warnings: readonly string[];
  /** The busy and idle times of the run's machines, when its report was last written. */
  readonly machines?: readonly MachineTimes[] | undefined;
  /** The reason if the run failed. */
  readonly failure?: string | undefined;
  readonly paths: RunPaths;
}

export interface JudgeDetails extends ReportIteration {
  /** False if the iteration is not complete. */
  readonly isComplete: boolean;
  /** The configuration's name for it, or an absolute path; undefined before training. */
  readonly checkpoint?: string | undefined;
  /** ISO 8601: when the checkpoint was pruned. */
  readonly prunedAt?: string | undefined;
  /** Absolute path of the training set for the trainer. */
  readonly trainingSet?: string | undefined;
}

/** Absolute paths. Those that don't exist are left out. */
export interface RunPaths {
  readonly folder: string;
  readonly report?: string | undefined;
  readonly result?: string | undefined;
  readonly bestCheckpoint?: string | undefined;
  readonly trainingSets?: string | undefined;
  readonly verdicts?: string | undefined;
}

export async function readRunDetails(store: ArtifactStore, run: StoredRun): Promise<RunDetails> {
  const { runName, best, result, state, endStatus: ended } = run;
  const existingPath = async (uri: string) => ((await store.exists(uri)) ? store.locate(uri) : undefined);
  return {
    ...(run.kind === 'judging' ? judgingDetails(run) : await evaluatedRunDetails(store, run)),
    best,
    warnings: result?.warnings ?? state?.warnings ?? [],
    ...(state?.machines === undefined ? {} : { machines: state.machines }),
    ...(ended === 'failed' && state?.failure !== undefined ? { failure: state.failure } : {}),
    paths: {
      folder: store.locate(runName),
      report: await existingPath(runUris.report(runName)),
      result: await existingPath(runUris.result(runName)),
      bestCheckpoint: await existingPath(runUris.modelFolder(runName)),
      trainingSets: await existingPath(runUris.datasetFolder(runName)),
      verdicts: await recordsPath(store, runUris.verdicts(runName)),
    },
  };
}

/** Returns the location of an artifact's records; undefined if there is no such artifact, or its manifest is damaged. */
async function recordsPath(store: ArtifactStore, uri: string): Promise<string | undefined> {
  const manifest = await store.readManifest(uri).catch(() => undefined);
  return manifest && store.locate(fileKey(manifest, RECORDS_FILE));
}

type DetailsOfKind = Pick<RunDetails, 'configuration' | 'judges' | 'figures' | 'drift'>;

function judgingDetails({ resolved, result }: StoredJudging): DetailsOfKind {
  return {
    configuration: resolved && writtenJudging(resolved.configuration),
    judges: [],
    figures: result?.figures,
  };
}

async function evaluatedRunDetails(store: ArtifactStore, run: StoredEvaluatedRun): Promise<DetailsOfKind> {
  const { runName, resolved } = run;
  const complete: readonly PartialIteration[] = run.judges;
  const unfinished: PartialIteration[] = [];
  // A completed run has no unfinished iteration; further ones in the store are of an earlier, longer start.
  while (resolved !== undefined && run.endStatus !== 'completed') {
    const next = await readPartialIteration(store, runName, complete.length + unfinished.length, resolved);
    if (next === undefined) break;
    unfinished.push(next);
  }
  const judges: JudgeDetails[] = [];
  for (const [judge, isComplete] of [
    ...complete.map((each) => [each, true] as const),
    ...unfinished.map((each) => [each, false] as const),
  ])
    judges.push(await judgeDetails(store, run, judge, isComplete));
  return {
    configuration: resolved && writtenConfiguration(resolved.configuration),
    judges,
    ...(run.result !== undefined && 'drift' in run.result ? { drift: run.result.drift } : {}),
  };
}

async function judgeDetails(
  store: ArtifactStore,
  { runName, resolved }: StoredEvaluatedRun,
  judge: PartialIteration,
  isComplete: boolean,
): Promise<JudgeDetails> {
  const { iteration, model } = judge;
  const uri = model && storeUriOf(model.checkpoint);
  const freed = iteration === 0 ? undefined : await prunedModel(store, runUris.training(runName, iteration));
  const trainingSet = await recordsPath(store, runUris.trainingSet(runName, iteration));
  return {
    ...(await figuresOf(store, runName, judge, resolved)),
    isComplete,
    checkpoint: uri === undefined ? model?.checkpoint : store.locate(uri),
    ...(freed === undefined ? {} : { prunedAt: freed.prunedAt }),
    ...(trainingSet === undefined ? {} : { trainingSet }),
  };
}

/** Leaves out scores that are missing or damaged, because the other details are still useful. */
async function figuresOf(
  store: ArtifactStore,
  runName: string,
  judge: PartialIteration,
  resolved: StoredEvaluatedRun['resolved'],
): Promise<ReportIteration> {
  const evaluations: (typeof judge.evaluations)[number][] = [];
  for (const each of judge.evaluations) {
    try {
      await store.verifyRecords(each.scores);
      evaluations.push(each);
    } catch (error) {
      if (!(error instanceof ArtifactDamaged)) throw error;
    }
  }
  const priced = resolved?.configuration ?? { models: { seed: { checkpoint: '' } } };
  return reportIteration(store, runName, { ...judge, evaluations }, { prices: undefined, ...priced });
}

/** The configuration without defaults. */
function writtenConfiguration(
  configuration: NonNullable<StoredEvaluatedRun['resolved']>['configuration'],
): object {
  if ('fineTuning' in configuration)
    return withoutDefaults(configuration, (part) => parseConfiguration(part).configuration);
  const { models, ...sections } = configuration;
  return withoutDefaults(
    { ...sections, model: models.seed },
    (part) => parseJudgeEvaluation(part).configuration,
  );
}

/** The configuration of a judging without defaults. It includes the fields that were read from the judge's file. */
function writtenJudging({ models, judging, ...sections }: ResolvedPairsJudging['configuration']): object {
  const { pairsFile, shardSize, voting } = judging;
  const configuration = { ...sections, model: models.seed, pairsFile, shardSize, ...voting };
  return withoutDefaults(configuration, (part) => parsePairsJudging(part).configuration);
}
