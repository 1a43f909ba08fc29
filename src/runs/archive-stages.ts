import type { ArtifactStore } from '../store/artifact-store.ts';
import { forEachConcurrently } from '../platform/for-each-concurrently.ts';
import { journalUri } from '../store/journal.ts';
import type { Problem } from '../platform/problem.ts';
import type { Configuration } from '../config/run-configuration.ts';
import { stageInRun, storedStages, type StoredStage } from './stored-stages.ts';

const CONCURRENT_MOVES = 16;

/**
 * Moves the artifacts of a stage and of all later stages to `<run>/archive/<firstRunId>/`, so that they are done
 * again. It is done once for each workflow that requests it, even if its activity is retried.
 */
export async function archiveStages(
  store: ArtifactStore,
  configuration: Configuration,
  redo: string,
  firstRunId: string,
): Promise<Problem | undefined> {
  const stages = await storedStages(store, configuration);
  const from = stages.findIndex((stage) => stageInRun(stage) === redo);
  if (from < 0) return unknownStage(redo, stages);
  const archive = `${configuration.runName}/archive/${firstRunId}`;
  const doneKey = `${archive}/done.json`;
  if (await store.exists(doneKey)) return undefined;
  for (const folder of stages.slice(from).flatMap(({ folders }) => folders))
    for (const prefix of [folder, journalUri(folder)])
      await forEachConcurrently(await store.objects.list(prefix), CONCURRENT_MOVES, async ({ key }) => {
        await store.objects.move(key, archive + key.slice(configuration.runName.length));
      });
  await store.writeText(doneKey, `${JSON.stringify({ rerunFrom: redo })}\n`);
  return undefined;
}

/** The problem that `rerunFrom` names no stage of the run. */
export function unknownStage(redo: string, stages: readonly StoredStage[]): Problem {
  const names = stages.map(stageInRun).join(', ');
  const message = `found ${JSON.stringify(redo)}; the stages of this run are ${names}`;
  return { path: 'rerunFrom', message };
}
