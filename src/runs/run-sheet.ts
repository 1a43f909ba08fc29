/** One run in full, from the store: what it was asked, its judges, what each stage took, and where everything is. */
import { existsSync } from 'node:fs';
import { runUris, type ResolvedJudging } from '../activities/open-run.ts';
import { iterationOf } from '../activities/write-report.ts';
import { ArtifactDamaged } from '../artifacts/errors.ts';
import { type ArtifactStore, RECORDS_FILE } from '../artifacts/store.ts';
import { storedUri } from '../config/checkpoint.ts';
import { notDefault } from '../config/not-default.ts';
import { readConfiguration, readJudgeEvaluation, readPairsJudging } from '../config/read-configuration.ts';
import type { JudgingFigures } from '../contract/judging-result.ts';
import type { ReportIteration } from '../report/report-data.ts';
import { freedModel } from '../training/freed-model.ts';
import { judgeSoFar, type JudgeSoFar } from './judge-so-far.ts';
import type { StoredEvaluating, StoredJudging, StoredRun } from './stored-run.ts';

export interface RunSheet {
  /** As a user would write it: what is not a default. Undefined where the store has none. */
  readonly configuration?: object | undefined;
  readonly best: number;
  readonly judges: readonly JudgeSheet[];
  /** What the verdicts of a judging come to, once it has ended. */
  readonly figures?: JudgingFigures | undefined;
  readonly warnings: readonly string[];
  /** Why it failed, where it did. */
  readonly failure?: string | undefined;
  readonly places: RunPlaces;
}

export interface JudgeSheet extends ReportIteration {
  /** False where the iteration has not come to its end. */
  readonly isComplete: boolean;
  /** As the configuration names it, or an absolute path; undefined where none is trained yet. */
  readonly checkpoint?: string | undefined;
  /** ISO 8601: when the checkpoint was freed. */
  readonly freedAt?: string | undefined;
  /** Absolute path of the training set for the trainer. */
  readonly trainingSet?: string | undefined;
}

/** Absolute paths; what isn't there is left out. */
export interface RunPlaces {
  readonly folder: string;
  readonly report?: string | undefined;
  readonly result?: string | undefined;
  readonly bestCheckpoint?: string | undefined;
  readonly trainingSets?: string | undefined;
  readonly verdicts?: string | undefined;
}

export async function runSheet(store: ArtifactStore, run: StoredRun): Promise<RunSheet> {
  const { runName, best, result, state, ended } = run;
  const there = (uri: string) => (existsSync(store.path(uri)) ? store.path(uri) : undefined);
  return {
    ...(run.kind === 'judging' ? judgingSheet(run) : await evaluatingSheet(store, run)),
    best,
    warnings: result?.warnings ?? state?.warnings ?? [],
    ...(ended === 'failed' && state?.failure !== undefined ? { failure: state.failure } : {}),
    places: {
      folder: store.path(runName),
      report: there(runUris.report(runName)),
      result: there(runUris.result(runName)),
      bestCheckpoint: there(runUris.modelFolder(runName)),
      trainingSets: there(runUris.datasetFolder(runName)),
      verdicts: there(`${runUris.verdicts(runName)}/${RECORDS_FILE}`),
    },
  };
}

type Sheet = Pick<RunSheet, 'configuration' | 'judges' | 'figures'>;

function judgingSheet({ resolved, result }: StoredJudging): Sheet {
  return {
    configuration: resolved && writtenJudging(resolved.configuration),
    judges: [],
    figures: result?.figures,
  };
}

async function evaluatingSheet(store: ArtifactStore, run: StoredEvaluating): Promise<Sheet> {
  const { runName, resolved } = run;
  const complete: readonly JudgeSoFar[] = run.judges;
  const unfinished: JudgeSoFar[] = [];
  // Of a run that has ended well nothing is under way; what stands there is of an earlier, longer start.
  while (resolved !== undefined && run.ended !== 'finished') {
    const next = await judgeSoFar(store, runName, complete.length + unfinished.length, resolved);
    if (next === undefined) break;
    unfinished.push(next);
  }
  const judges: JudgeSheet[] = [];
  for (const [judge, isComplete] of [
    ...complete.map((each) => [each, true] as const),
    ...unfinished.map((each) => [each, false] as const),
  ])
    judges.push(await judgeSheet(store, run, judge, isComplete));
  return { configuration: resolved && writtenConfiguration(resolved.configuration), judges };
}

async function judgeSheet(
  store: ArtifactStore,
  { runName, resolved }: StoredEvaluating,
  judge: JudgeSoFar,
  isComplete: boolean,
): Promise<JudgeSheet> {
  const { iteration, model } = judge;
  const uri = model && storedUri(model.checkpoint);
  const freed = iteration === 0 ? undefined : freedModel(store.path(runUris.training(runName, iteration)));
  const trainingSet = store.path(`${runUris.trainingSet(runName, iteration)}/records.jsonl`);
  return {
    ...(await figuresOf(store, runName, judge, resolved)),
    isComplete,
    checkpoint: uri === undefined ? model?.checkpoint : store.path(uri),
    ...(freed === undefined ? {} : { freedAt: freed.freedAt }),
    ...(existsSync(trainingSet) ? { trainingSet } : {}),
  };
}

/** Figures that are gone or damaged are left out: what else is known of the run is worth showing. */
async function figuresOf(
  store: ArtifactStore,
  runName: string,
  judge: JudgeSoFar,
  resolved: StoredEvaluating['resolved'],
): Promise<ReportIteration> {
  const evaluations: (typeof judge.evaluations)[number][] = [];
  for (const each of judge.evaluations) {
    try {
      await store.recordsFile(each.scores);
      evaluations.push(each);
    } catch (error) {
      if (!(error instanceof ArtifactDamaged)) throw error;
    }
  }
  const priced = resolved?.configuration ?? { models: { seed: { checkpoint: '' } } };
  return iterationOf(store, runName, { ...judge, evaluations }, { prices: undefined, ...priced });
}

/** The configuration as a user would write it. */
function writtenConfiguration(
  configuration: NonNullable<StoredEvaluating['resolved']>['configuration'],
): object {
  if ('fineTuning' in configuration)
    return notDefault(configuration, (part) => readConfiguration(part).configuration);
  const { models, ...sections } = configuration;
  return notDefault({ ...sections, model: models.seed }, (part) => readJudgeEvaluation(part).configuration);
}

/** The same of a judging; what it took from its judge's file stands there as if it had been written. */
function writtenJudging({ models, judging, ...sections }: ResolvedJudging['configuration']): object {
  const { pairs, shardSize, voting } = judging;
  const whole = { ...sections, model: models.seed, pairs, shardSize, ...voting };
  return notDefault(whole, (part) => readPairsJudging(part).configuration);
}
