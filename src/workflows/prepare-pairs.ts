/** Steps 1 and 2 of the method: the pairs whose better side is known, made from instructions or read from the user's files. */
import type { ArtifactReference } from '../store/artifact.ts';
import type { RunPlan, StageResult } from '../api/activity-types.ts';
import { workflowActivities } from './activity-proxies.ts';
import type { PreparedBenchmark } from '../datasets/benchmark-overlaps.ts';
import type { RunModels, RunStages } from './run-stages.ts';

/** The pairs to judge, and the results of the stages that made them, by name in their order. */
interface PreparedPairs {
  readonly pairs: ArtifactReference;
  readonly stageResults: Readonly<Record<string, StageResult>>;
}

/** Makes pairs from the instruction pool, and adds human-labelled pairs if the configuration has any. */
export async function prepareGeneratedPairs(
  {
    run,
    rolesWithOwnModel,
    rolesOnMachine,
    categorizesInstructions: categorize,
    addsHumanPairs: addHumanPairs,
  }: RunPlan,
  stages: RunStages,
  models: RunModels,
  benchmarks: readonly PreparedBenchmark[],
): Promise<PreparedPairs> {
  const pool = await stages.trackStage({ name: 'preparePool', iteration: 0 }, () =>
    workflowActivities.preparePool.executeWithOptions({ summary: 'read the instruction pool' }, [
      { run, benchmarks },
    ]),
  );
  const generator = await stages.serveRole(models, 'generator');
  const categories = categorize
    ? await stages.mapShards('categorizeInstructions', 0, generator, pool.artifact)
    : undefined;
  const selected = await stages.trackStage({ name: 'selectInstructions', iteration: 0 }, () =>
    workflowActivities.selectInstructions.executeWithOptions({ summary: 'select instructions' }, [
      { run, input: (categories ?? pool).artifact },
    ]),
  );
  const pairs = await stages.mapShards('generatePairs', 0, generator, selected.artifact);
  const withHuman = addHumanPairs
    ? await stages.trackStage({ name: 'addHumanPairs', iteration: 0 }, () =>
        workflowActivities.addHumanPairs.executeWithOptions({ summary: 'add human-labelled pairs' }, [
          { run, pairs: pairs.artifact, benchmarks },
        ]),
      )
    : undefined;
  if (rolesWithOwnModel.includes('generator') && rolesOnMachine.includes('generator'))
    await stages.stopServing();
  return {
    pairs: (withHuman ?? pairs).artifact,
    stageResults: {
      preparePool: pool,
      ...(categories === undefined ? {} : { categorizeInstructions: categories }),
      selectInstructions: selected,
      generatePairs: pairs,
      ...(withHuman === undefined ? {} : { addHumanPairs: withHuman }),
    },
  };
}

/** Reads the pairs that the user's files hold; no model is used. */
export async function prepareProvidedPairs(
  { run }: RunPlan,
  stages: RunStages,
  benchmarks: readonly PreparedBenchmark[],
): Promise<PreparedPairs> {
  const prepared = await stages.trackStage({ name: 'preparePairs', iteration: 0 }, () =>
    workflowActivities.preparePairs.executeWithOptions({ summary: 'read the provided pairs' }, [
      { run, benchmarks },
    ]),
  );
  return { pairs: prepared.artifact, stageResults: { preparePairs: prepared } };
}

/** Adds the records of tasks beyond pairs, if the run learns any, to what is judged. */
export async function withTaskRecords(
  { run, trainsTasks }: RunPlan,
  stages: RunStages,
  { pairs, stageResults }: PreparedPairs,
  benchmarks: readonly PreparedBenchmark[],
): Promise<PreparedPairs> {
  if (trainsTasks === undefined) return { pairs, stageResults };
  const prepared = await stages.trackStage({ name: 'prepareTasks', iteration: 0 }, () =>
    workflowActivities.prepareTasks.executeWithOptions({ summary: 'add records of tasks beyond pairs' }, [
      { run, pairs, benchmarks },
    ]),
  );
  return { pairs: prepared.artifact, stageResults: { ...stageResults, prepareTasks: prepared } };
}
