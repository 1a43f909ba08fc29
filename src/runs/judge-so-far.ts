/** How far an iteration has come that has no row in the run's state yet, by the manifests of its artifacts. */
import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { runUris, type ResolvedConfiguration, type ResolvedEvaluation } from '../activities/open-run.ts';
import { evaluationSummary } from '../activities/score-benchmark.ts';
import type { Counts } from '../artifacts/reference.ts';
import { sumCounts } from '../artifacts/shards.ts';
import type { ArtifactStore } from '../artifacts/store.ts';
import { storedCheckpoint } from '../config/checkpoint.ts';
import type { EvaluationSummary, IterationSummary } from '../contract/result.ts';
import { readResult } from '../training/model-damage.ts';

/** A row of the run's table that may not be complete: without a model where none is trained yet. */
export type JudgeSoFar = Omit<IterationSummary, 'model'> & Partial<Pick<IterationSummary, 'model'>>;

/** Undefined where nothing of it is there. */
export async function judgeSoFar(
  store: ArtifactStore,
  runName: string,
  iteration: number,
  { configuration }: ResolvedConfiguration | ResolvedEvaluation,
): Promise<JudgeSoFar | undefined> {
  const { benchmarks } = configuration.evaluation;
  const stages: Record<string, string> = {
    preparePool: runUris.pool(runName),
    categorizeInstructions: runUris.categories(runName),
    selectInstructions: runUris.selected(runName),
    generatePairs: runUris.pairs(runName),
    addHumanPairs: runUris.judgedPairs(runName),
    ...(iteration === 0 ? {} : { judgePairs: runUris.judgments(runName, iteration) }),
    ...Object.fromEntries(benchmarks.map(({ name }) => [name, runUris.evaluation(runName, iteration, name)])),
  };
  const counts: Record<string, Counts> = {};
  for (const [stage, uri] of Object.entries(stages)) {
    const found = await countsSoFar(store, uri);
    if (found !== undefined) counts[stage] = found;
  }
  const trainingSet = await store.manifest(runUris.trainingSet(runName, iteration));
  if (trainingSet !== undefined) counts['filterJudgments'] = trainingSet.counts;
  const training = runUris.training(runName, iteration);
  const trained = await readResult(store.path(training));
  if (trained !== undefined) counts['fineTune'] = { steps: trained.steps, trainedTokens: trained.tokens };
  const evaluations: EvaluationSummary[] = [];
  for (const { name, purpose } of benchmarks) {
    const scores = await store.manifest(runUris.scores(runName, iteration, name));
    if (scores !== undefined) evaluations.push(evaluationSummary(name, purpose, scores));
  }
  const isBegun =
    iteration === 0
      ? Object.keys(counts).length > 0
      : existsSync(store.path(`${runName}/iteration-${iteration}`));
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
          model: { checkpoint: storedCheckpoint(`${training}/model`), sha256: trained.model.sha256 },
          training: { meanLoss: trained.meanLoss, seconds: trained.seconds },
        }),
  };
}

/** Of a stage's index; while it is under way, of the shards that are done. */
async function countsSoFar(store: ArtifactStore, uri: string): Promise<Counts | undefined> {
  const index = await store.manifest(`${uri}/index`);
  if (index !== undefined) return index.counts;
  const names = existsSync(store.path(uri)) ? await readdir(store.path(uri)) : [];
  const shards = names.filter((name) => /^shard-\d+$/.test(name));
  const manifests = await Promise.all(shards.map((name) => store.manifest(`${uri}/${name}`)));
  const done = manifests.flatMap((manifest) => (manifest === undefined ? [] : [manifest.counts]));
  return done.length === 0 ? undefined : sumCounts(done);
}
