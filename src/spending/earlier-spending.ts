import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { runUris, stageUri } from '../activities/open-run.ts';
import { askedRole } from '../activities/stage-usage.ts';
import type { ShardedStage } from '../activities/types.ts';
import type { Counts } from '../artifacts/reference.ts';
import type { WorkRecord } from '../artifacts/resume-shard.ts';
import { readSegments } from '../artifacts/segments.ts';
import type { ArtifactStore } from '../artifacts/store.ts';
import type { Configuration } from '../config/schema.ts';
import { trainerSeconds } from '../training/starts.ts';
import { emptyAccount, noteTrainer, spend, type Account } from './account.ts';

/** Artifacts of a stage of a run. */
interface StageFolder {
  readonly stage: ShardedStage;
  readonly iteration: number;
  readonly uri: string;
}

/**
 * What the artifacts of a run say that it has spent, for one that was begun by a worker without a ledger. What attempts
 * lost, and requests where they weren't counted, is not known any more.
 */
export async function earlierSpending(
  store: ArtifactStore,
  { runName, models }: Pick<Configuration, 'runName' | 'models'>,
): Promise<Account> {
  const account = emptyAccount();
  const iterations = (await namesIn(store.path(runName)))
    .map((name) => Number(/^iteration-(\d+)$/.exec(name)?.[1] ?? NaN))
    .filter((iteration) => !Number.isNaN(iteration));
  for (const { stage, iteration, uri } of await stageFolders(store, runName, iterations)) {
    const role = askedRole(stage, iteration, models);
    for (const name of await namesIn(store.path(uri))) {
      for (const { requests = 0, promptTokens = 0, completionTokens = 0 } of await spentOn(store, uri, name))
        spend(account, role, { requests, promptTokens, completionTokens });
    }
  }
  for (const iteration of iterations) {
    const seconds = await trainerSeconds(store.path(runUris.training(runName, iteration)));
    for (const [token, worked] of Object.entries(seconds)) noteTrainer(account, token, worked);
  }
  return account;
}

async function stageFolders(
  store: ArtifactStore,
  run: string,
  iterations: readonly number[],
): Promise<StageFolder[]> {
  const once = (['categorizeInstructions', 'generatePairs'] as const).map((stage) => ({
    stage,
    iteration: 0,
    uri: stageUri(stage, run, 0),
  }));
  const repeated = iterations.map(async (iteration): Promise<StageFolder[]> => {
    const benchmarks = await namesIn(store.path(`${run}/iteration-${iteration}/evaluation`));
    return [
      { stage: 'judgePairs', iteration, uri: runUris.judgments(run, iteration) },
      ...benchmarks.map((name) => ({
        stage: 'evaluateBenchmark' as const,
        iteration,
        uri: runUris.evaluation(run, iteration, name),
      })),
    ];
  });
  return [...once, ...(await Promise.all(repeated)).flat()];
}

/** Of a finished shard what its manifest counts, of one under way what stands in its segments. */
async function spentOn(store: ArtifactStore, stage: string, name: string): Promise<Counts[]> {
  if (/^shard-\d+$/.test(name)) return [(await store.manifest(`${stage}/${name}`))?.counts ?? {}];
  if (!/^shard-\d+\.work$/.test(name)) return [];
  const records = await readSegments<Partial<WorkRecord>>(join(store.path(stage), name));
  return records.flatMap(({ usage }) => (usage === undefined ? [] : [{ requests: 1, ...usage }]));
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}
