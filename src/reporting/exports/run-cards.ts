import { basename } from 'node:path';
import type { IterationSummary } from '../../api/result.ts';
import { judgeSampling } from '../../config/benchmark-sampling.ts';
import { roundForIteration } from '../../config/fine-tuning.ts';
import { sourceFiles } from '../../config/pair-source.ts';
import type { Configuration } from '../../config/run-configuration.ts';
import { isHubUri, parseHubUri } from '../../datasets/hub-files.ts';
import type { TaskName } from '../../method/tasks.ts';
import type { TrainingRows } from '../../models/training/recipes/recipe.ts';
import { recipeOf } from '../../models/training/recipes/registry.ts';
import type { ResolvedConfiguration } from '../../runs/open-run.ts';
import { trainedPromptOf } from '../../runs/prompts.ts';
import { datasetCard } from '../cards/dataset-card.ts';
import { modelCard } from '../cards/model-card.ts';
import { compareWithSeedJudge } from '../compare-with-seed-judge.ts';
import { namedModel, type ModelNameAccess } from '../named-model.ts';
import { reportIteration } from '../report-iteration.ts';
import type { ExportedSet } from '../training-row-formats.ts';

/** The format in which an iteration's training set is exported. */
export function trainingRowFormat({ fineTuning }: Configuration, iteration: number): TrainingRows {
  return recipeOf(roundForIteration(fineTuning, iteration)).rows;
}

/** Makes the data set card of a run's training sets. */
export function trainingSetCard(
  runName: string,
  sets: readonly ExportedSet[],
  configuration: Configuration,
): string {
  const { publish } = configuration;
  return datasetCard({
    runName,
    sets,
    pairs: configuration.pairs.kind,
    tasks: tasksOf(configuration),
    sourceDatasets: hubDatasets(configuration),
    modelRepository: publish?.model,
    repository: publish?.dataset,
  });
}

function tasksOf({ pairs }: Configuration): TaskName[] {
  return pairs.tasks.map(({ task }) => task);
}

/** The judge of a card, with facts about its run. */
export interface JudgeCardSubject {
  readonly runName: string;
  /** All complete iterations, starting with the seed model's. */
  readonly iterations: readonly IterationSummary[];
  readonly iteration: number;
  readonly warnings: readonly string[];
  /** The versions of the training's packages. */
  readonly versions: Readonly<Record<string, string>>;
}

/** Makes the model card of a run's judge, with its scores and those of the seed judge. */
export async function judgeCard(
  deps: ModelNameAccess,
  { runName, iterations, iteration, warnings, versions }: JudgeCardSubject,
  { configuration, prompts }: ResolvedConfiguration,
): Promise<string | undefined> {
  const { store } = deps;
  const summary = iterations[iteration];
  if (summary === undefined) return undefined;
  const { models, filtering, fineTuning, evaluation, publish, seed, pairs } = configuration;
  const named = (checkpoint: string) => namedModel(deps, checkpoint);
  const round = roundForIteration(fineTuning, iteration);
  const [seedJudge, judge] = await Promise.all(
    [iterations[0] ?? summary, summary].map((one) => reportIteration(store, runName, one, configuration)),
  );
  if (judge === undefined) return undefined;
  return modelCard({
    runName,
    seed,
    judge,
    seedJudge,
    comparisons: await compareWithSeedJudge(store, iterations, iteration, seed),
    models: {
      seed: named(models.seed.checkpoint),
      generator: named((models.generator ?? models.seed).checkpoint),
      firstJudge: named((models.firstJudge ?? models.seed).checkpoint),
    },
    pairs: {
      kind: pairs.kind,
      from: sourceFiles(configuration).map((entry) => (isHubUri(entry) ? entry : basename(entry))),
    },
    humanData: filtering.humanData.map(({ name }) => name),
    tasks: tasksOf(configuration),
    datasets: [...hubDatasets(configuration), ...(publish?.dataset === undefined ? [] : [publish.dataset])],
    round,
    startedFrom: round.initFrom === 'seed' || iteration === 1 ? 'M_0' : `M_${iteration - 1}`,
    adapter: fineTuning.adapter.kind,
    prompt: trainedPromptOf(prompts, round),
    sampling: judgeSampling(evaluation),
    repository: publish?.model,
    warnings,
    versions,
  });
}

/** The data sets of the hub from which the instructions or the pairs come, without duplicates. */
function hubDatasets(configuration: ResolvedConfiguration['configuration']): string[] {
  return [
    ...new Set(
      sourceFiles(configuration)
        .filter(isHubUri)
        .map((entry) => parseHubUri(entry).repository),
    ),
  ];
}
