import { sumCounts } from '../platform/sum-counts.ts';
import type { ArtifactStore } from '../store/artifact-store.ts';
import type { Configuration } from '../config/run-configuration.ts';
import { judgmentsOfIteration } from '../config/fine-tuning.ts';
import type { FilterStatistics } from '../method/filter-statistics.ts';
import { missingVerdictsIn } from '../method/missing-verdict.ts';
import { allProgress, PROGRESS_FILE } from '../models/training/job.ts';
import { readStoredTraining } from '../models/training/stored-training.ts';
import type { IterationSummary } from '../api/result.ts';
import type { PublishedScores } from '../runs/benchmark-scores.ts';
import { runUris } from '../runs/run-layout.ts';
import { storedCalibration } from '../runs/stored-calibration.ts';
import type { ReportIteration, ReportTraining } from './report-data.ts';
import { stageUsage } from './stage-usage.ts';

/** Collects an iteration's data for the report. */
export async function reportIteration(
  store: ArtifactStore,
  run: string,
  summary: Omit<IterationSummary, 'model'>,
  configuration: Pick<Configuration, 'models' | 'prices'> & Partial<Pick<Configuration, 'fineTuning'>>,
): Promise<ReportIteration> {
  const evaluations = await Promise.all(
    summary.evaluations.map(async ({ benchmark, purpose, scores }) => {
      const [published] = await store.readRecords<PublishedScores>(scores);
      if (published === undefined) throw new Error(`${scores.uri} contains no scores`);
      return { benchmark, purpose, scores: published };
    }),
  );
  const calibration = await storedCalibration(store, summary.evaluations);
  const counts = sumCounts(Object.values(summary.counts));
  const count = (name: string) => counts[name] ?? 0;
  const evaluated: ReportIteration = {
    iteration: summary.iteration,
    evaluations,
    ...(calibration === undefined ? {} : { calibration }),
    usage: stageUsage(summary, configuration),
  };
  if (summary.iteration === 0) return evaluated;
  const { fineTuning } = configuration;
  const judgedIn =
    fineTuning === undefined ? summary.iteration : judgmentsOfIteration(fineTuning, summary.iteration);
  const judged =
    judgedIn === summary.iteration
      ? summary.counts['judgePairs']
      : (await store.readManifest(`${runUris.judgments(run, judgedIn)}/index`))?.counts;
  const plans = summary.counts['planJudgments']?.['plans'];
  const missing = missingVerdictsIn(judged ?? {});
  const trainingSet = await store.readManifest(runUris.trainingSet(run, summary.iteration));
  return {
    ...evaluated,
    funnel: {
      ...(summary.counts['preparePairs'] === undefined
        ? { instructions: count('instructions'), selected: count('selected') }
        : { rows: count('rows') }),
      pairs: count('pairs'),
      ...(count('humanPairs') > 0 ? { humanPairs: count('humanPairs') } : {}),
      ...(plans === undefined ? {} : { plans }),
      ...(judgedIn === summary.iteration ? {} : { judgedIn }),
      judgments: judged?.['judgments'] ?? 0,
      correct: judged?.['correctJudgments'] ?? 0,
      ...(Object.keys(missing).length === 0 ? {} : { withoutVerdict: missing }),
      trainingExamples: count('trainingExamples'),
      statistics: trainingSet?.summary as FilterStatistics | undefined,
    },
    training: await trainingOf(store, run, summary),
  };
}

async function trainingOf(
  store: ArtifactStore,
  run: string,
  { iteration, counts, training: trained }: Omit<IterationSummary, 'model'>,
): Promise<ReportTraining | undefined> {
  const training = runUris.training(run, iteration);
  const result = await readStoredTraining(store, training);
  if (result === undefined) return undefined;
  const folders = [training, runUris.trainer(run, iteration)];
  const texts = await Promise.all(folders.map((folder) => store.readText(`${folder}/${PROGRESS_FILE}`)));
  const progress = texts.find((text) => text !== undefined) ?? '';
  return {
    steps: result.steps,
    meanLoss: result.meanLoss,
    finalLoss: result.finalLoss,
    ...stepFigures(progress),
    seconds: result.seconds,
    stalls: counts['fineTune']?.['stalls'],
    errors: counts['fineTune']?.['errors'],
    checkpoints: trained?.checkpoints,
  };
}

/** The losses and, of GRPO, the rewards of each step that is in a training's progress. */
export function stepFigures(progress: string): Pick<ReportTraining, 'losses' | 'rewards'> {
  // After a restart, the steps since the last checkpoint are repeated, so the last line of a step counts.
  const byStep = new Map(allProgress(progress).map((line) => [line.step, line]));
  const lines = [...byStep.values()].sort((a, b) => a.step - b.step);
  const rewards = lines.flatMap(({ step, reward, zeroVarianceShare }) =>
    reward === undefined || zeroVarianceShare === undefined ? [] : [{ step, reward, zeroVarianceShare }],
  );
  return {
    losses: lines.map(({ step, loss }) => ({ step, loss })),
    ...(rewards.length === 0 ? {} : { rewards }),
  };
}
