/** Determines the progress of an iteration without a row in the run's state, from the manifests of its artifacts. */
import type { ResolvedConfiguration, ResolvedEvaluation } from './open-run.ts';
import { runUris } from './run-layout.ts';
import type { Counts } from '../store/artifact.ts';
import { sumCounts } from '../platform/sum-counts.ts';
import type { ArtifactStore } from '../store/artifact-store.ts';
import { toStoreCheckpoint } from './find-checkpoint.ts';
import type { EvaluationSummary, IterationSummary } from '../api/result.ts';
import { readStoredTraining } from '../models/training/stored-training.ts';
import { evaluationSummary } from './benchmark-scores.ts';

/** A row of the run's table that may be incomplete: it has no model until one is trained. */
export type PartialIteration = Omit<IterationSummary, 'model'> & Partial<Pick<IterationSummary, 'model'>>;

/** Undefined if no artifact of the iteration exists. */
export async function readPartialIteration(
  store: ArtifactStore,
  runName: string,
  iteration: number,
  { configuration }: ResolvedConfiguration | ResolvedEvaluation,
): Promise<PartialIteration | undefined> {
  const { benchmarks } = configuration.evaluation;
  const stages: Record<string, string> = {
    preparePool: runUris.pool(runName),
    categorizeInstructions: runUris.categories(runName),
    selectInstructions: runUris.selected(runName),
    generatePairs: runUris.pairs(runName),
    addHumanPairs: runUris.judgedPairs(runName),
    prepareTasks: runUris.judgedItems(runName),
    ...(iteration === 0
      ? {}
      : {
          planJudgments: runUris.plans(runName, iteration),
          judgePairs: runUris.judgments(runName, iteration),
        }),
    ...Object.fromEntries(benchmarks.map(({ name }) => [name, runUris.evaluation(runName, iteration, name)])),
  };
  const counts: Record<string, Counts> = {};
  for (const [stage, uri] of Object.entries(stages)) {
    const stageCounts = await countsSoFar(store, uri);
    if (stageCounts !== undefined) counts[stage] = stageCounts;
  }
  const trainingSet = await store.readManifest(runUris.trainingSet(runName, iteration));
  if (trainingSet !== undefined) counts['filterJudgments'] = trainingSet.counts;
  const training = runUris.training(runName, iteration);
  const trained = await readStoredTraining(store, training);
  if (trained !== undefined) counts['fineTune'] = { steps: trained.steps, trainedTokens: trained.tokens };
  const evaluations: EvaluationSummary[] = [];
  for (const { name, purpose } of benchmarks) {
    const scores = await store.readManifest(runUris.scores(runName, iteration, name));
    if (scores !== undefined) evaluations.push(evaluationSummary(name, purpose, scores));
  }
  const isBegun =
    iteration === 0
      ? Object.keys(counts).length > 0
      : await store.exists(`${runName}/iteration-${iteration}`);
  if (!isBegun) return undefined;
  return {
    iteration,
    evaluations,
    counts,
    seconds: {},
    ...(trainingSet === undefined ? {} : { trainingExamples: trainingSet.records }),
    ...(trained === undefined
      ? {}
      : {
          model: { checkpoint: toStoreCheckpoint(`${training}/model`), sha256: trained.model.sha256 },
          training: { meanLoss: trained.meanLoss, seconds: trained.seconds },
        }),
  };
}

/** Counts of a stage's index, or of its finished shards while it is running. */
async function countsSoFar(store: ArtifactStore, uri: string): Promise<Counts | undefined> {
  const index = await store.readManifest(`${uri}/index`);
  if (index !== undefined) return index.counts;
  const names = await store.names(uri);
  const shards = names.filter((name) => /^shard-\d+$/.test(name));
  const manifests = await Promise.all(shards.map((name) => store.readManifest(`${uri}/${name}`)));
  const publishedCounts = manifests.flatMap((manifest) => (manifest === undefined ? [] : [manifest.counts]));
  return publishedCounts.length === 0 ? undefined : sumCounts(publishedCounts);
}
