/** Steps 1 and 2: the pairs whose better side is known, from instructions or from the user's files. */
import type { ArtifactReference } from '../artifacts/reference.ts';
import type { RunPlan, StageResult } from '../activities/types.ts';
import { light } from './proxies.ts';
import type { PreparedBenchmark, RunModels, RunStages } from './run-stages.ts';

/** The pairs that are judged, and the stages that they came from, by name in their order. */
interface PreparedPairs {
  readonly pairs: ArtifactReference;
  readonly made: Readonly<Record<string, StageResult>>;
}

/** Makes pairs from the instruction pool, and puts human-labelled ones beside them where there are any. */
export async function madePairs(
  { run, ownModels, categorize, addHumanPairs }: RunPlan,
  stages: RunStages,
  models: RunModels,
  benchmarks: readonly PreparedBenchmark[],
): Promise<PreparedPairs> {
  const pool = await stages.during({ name: 'preparePool', iteration: 0 }, () =>
    light.preparePool.executeWithOptions({ summary: 'read the instruction pool' }, [{ run, benchmarks }]),
  );
  const generator = await stages.serve(models.generator, 0, 'generator');
  const categories = categorize
    ? await stages.mapShards('categorizeInstructions', 0, generator, pool.artifact)
    : undefined;
  const selected = await stages.during({ name: 'selectInstructions', iteration: 0 }, () =>
    light.selectInstructions.executeWithOptions({ summary: 'select instructions' }, [
      { run, input: (categories ?? pool).artifact },
    ]),
  );
  const pairs = await stages.mapShards('generatePairs', 0, generator, selected.artifact);
  const withHuman = addHumanPairs
    ? await stages.during({ name: 'addHumanPairs', iteration: 0 }, () =>
        light.addHumanPairs.executeWithOptions({ summary: 'add human-labelled pairs' }, [
          { run, pairs: pairs.artifact, benchmarks },
        ]),
      )
    : undefined;
  if (ownModels.includes('generator')) await stages.stopServing();
  return {
    pairs: (withHuman ?? pairs).artifact,
    made: {
      preparePool: pool,
      ...(categories === undefined ? {} : { categorizeInstructions: categories }),
      selectInstructions: selected,
      generatePairs: pairs,
      ...(withHuman === undefined ? {} : { addHumanPairs: withHuman }),
    },
  };
}

/** Reads the pairs that the user gives; no model is asked for any. */
export async function givenPairs(
  { run }: RunPlan,
  stages: RunStages,
  benchmarks: readonly PreparedBenchmark[],
): Promise<PreparedPairs> {
  const prepared = await stages.during({ name: 'preparePairs', iteration: 0 }, () =>
    light.preparePairs.executeWithOptions({ summary: 'read the given pairs' }, [{ run, benchmarks }]),
  );
  return { pairs: prepared.artifact, made: { preparePairs: prepared } };
}
