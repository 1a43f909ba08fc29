import { existsSync } from 'node:fs';
import { mkdir, readdir, rename } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { writeFileAtomically, type ArtifactStore } from '../artifacts/store.ts';
import type { Problem } from '../config/read-configuration.ts';
import type { Configuration } from '../config/schema.ts';
import { runUris } from './open-run.ts';

/**
 * Sets a stage and all that follow aside, into `<run>/set-aside/<firstRunId>/`, so that they are done again. Done once
 * for each workflow that asks for it, however often its activity is retried.
 */
export async function redoStages(
  store: ArtifactStore,
  configuration: Configuration,
  redo: string,
  firstRunId: string,
): Promise<Problem | undefined> {
  const stages = stagesInOrder(configuration, await iterationsThere(store, configuration));
  const from = stages.findIndex(({ name }) => name === redo);
  if (from < 0) {
    const names = stages.map(({ name }) => name).join(', ');
    return { path: 'redo', message: `found ${JSON.stringify(redo)}; the stages of this run are ${names}` };
  }
  const aside = `${configuration.runName}/set-aside/${firstRunId}`;
  const done = store.path(`${aside}/done.json`);
  if (existsSync(done)) return undefined;
  for (const uri of stages.slice(from).flatMap((stage) => stage.uris)) {
    for (const path of [store.path(uri), `${store.path(uri)}.work`]) {
      if (!existsSync(path)) continue;
      const target = join(store.path(aside), relative(store.path(configuration.runName), path));
      await mkdir(dirname(target), { recursive: true });
      await rename(path, target);
    }
  }
  await writeFileAtomically(done, `${JSON.stringify({ redo })}\n`);
  return undefined;
}

/** The stages of a run in the order in which they need each other, with the folders that each fills. */
function stagesInOrder({ runName, evaluation, filtering, pairs }: Configuration, iterations: number) {
  const humanPairs = {
    name: '0/add-human-pairs',
    uris: [runUris.humanPairs(runName), runUris.judgedPairs(runName)],
  };
  const generation = [
    { name: '0/prepare-pool', uris: [runUris.pool(runName)] },
    { name: '0/categorize-instructions', uris: [runUris.categories(runName)] },
    { name: '0/select-instructions', uris: [runUris.selected(runName)] },
    { name: '0/generate-pairs', uris: [runUris.pairs(runName)] },
  ];
  const evaluations = (iteration: number) => ({
    name: `${iteration}/evaluate`,
    uris: evaluation.benchmarks.map(({ name }) => runUris.evaluation(runName, iteration, name)),
  });
  const stages = [
    {
      name: '0/prepare-benchmarks',
      uris: evaluation.benchmarks.map(({ name }) => runUris.benchmark(runName, name)),
    },
    ...(pairs.kind === 'given' ? [{ name: '0/prepare-pairs', uris: [runUris.pairs(runName)] }] : generation),
    ...(filtering.humanData.length > 0 ? [humanPairs] : []),
    evaluations(0),
  ];
  for (let iteration = 1; iteration <= iterations; iteration += 1) {
    stages.push(
      { name: `${iteration}/judge-pairs`, uris: [runUris.judgments(runName, iteration)] },
      {
        name: `${iteration}/filter-judgments`,
        uris: [runUris.trainingSet(runName, iteration), runUris.exportedSet(runName, iteration)],
      },
      { name: `${iteration}/fine-tune`, uris: [runUris.training(runName, iteration)] },
      evaluations(iteration),
    );
  }
  return stages;
}

/** How many iterations a run has: the configured ones, or more where it once was configured with more. */
async function iterationsThere(
  store: ArtifactStore,
  { runName, iterations }: Configuration,
): Promise<number> {
  const folder = store.path(runName);
  const names = existsSync(folder) ? await readdir(folder) : [];
  return Math.max(iterations, ...names.map((name) => Number(/^iteration-(\d+)$/.exec(name)?.[1] ?? 0)));
}
