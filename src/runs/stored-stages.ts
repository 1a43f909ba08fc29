import type { StageName } from '../api/stages.ts';
import type { Configuration } from '../config/run-configuration.ts';
import type { ArtifactStore } from '../store/artifact-store.ts';
import { runUris } from './run-layout.ts';
import { trainerUri } from './trainer-uri.ts';

/** A stage of a run that writes to the store. */
export interface StoredStage {
  readonly stage: StageName;
  readonly iteration: number;
  /**
   * The places that it writes to. The first one has what later stages use: a training, a training set, or in `<folder>/index`
   * a list of shards. A stage that works on each benchmark has a folder for each, in the order of the configuration.
   */
  readonly folders: readonly string[];
}

/** The stages of a run in the order of their dependencies: those of all configured iterations, and of all in the store. */
export async function storedStages(
  store: ArtifactStore,
  { runName: run, evaluation, filtering, fineTuning, judging, pairs, iterations: configured }: Configuration,
): Promise<StoredStage[]> {
  // An earlier start may have been configured with more.
  const stored = (await store.names(run)).map((name) => Number(/^iteration-(\d+)$/.exec(name)?.[1] ?? 0));
  const iterations = Math.max(configured, ...stored);
  const ofBenchmarks = (uri: (name: string) => string) => evaluation.benchmarks.map(({ name }) => uri(name));
  const evaluateJudge = (iteration: number): StoredStage => ({
    stage: 'evaluateJudge',
    iteration,
    folders: ofBenchmarks((name) => runUris.evaluation(run, iteration, name)),
  });
  const before = (stage: StageName, ...folders: string[]): StoredStage => ({ stage, iteration: 0, folders });
  const stages = [
    before('prepareBenchmarks', ...ofBenchmarks((name) => runUris.benchmark(run, name))),
    ...(pairs.kind === 'provided'
      ? [before('preparePairs', runUris.pairs(run))]
      : [
          before('preparePool', runUris.pool(run)),
          before('categorizeInstructions', runUris.categories(run)),
          before('selectInstructions', runUris.selected(run)),
          before('generatePairs', runUris.pairs(run)),
        ]),
    ...(filtering.humanData.length > 0
      ? [before('addHumanPairs', runUris.judgedPairs(run), runUris.humanPairs(run))]
      : []),
    ...(pairs.tasks.length > 0
      ? [before('prepareTasks', runUris.judgedItems(run), runUris.taskRecords(run))]
      : []),
    evaluateJudge(0),
  ];
  for (let iteration = 1; iteration <= iterations; iteration += 1) {
    const trainingSet = [runUris.trainingSet(run, iteration), runUris.exportedSet(run, iteration)];
    stages.push(
      ...(judging.plan === undefined
        ? []
        : [{ stage: 'planJudgments' as const, iteration, folders: [runUris.plans(run, iteration)] }]),
      { stage: 'judgePairs', iteration, folders: [runUris.judgments(run, iteration)] },
      { stage: 'filterJudgments', iteration, folders: trainingSet },
      {
        stage: 'fineTune',
        iteration,
        folders: [...new Set([runUris.training(run, iteration), trainerUri(fineTuning, run, iteration)])],
      },
      evaluateJudge(iteration),
    );
  }
  return stages;
}

/** The name of a stage in `rerunFrom`. */
export function stageInRun({ stage, iteration }: Pick<StoredStage, 'stage' | 'iteration'>): string {
  return `${iteration}/${stage}`;
}
