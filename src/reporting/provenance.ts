import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { shardUri } from '../store/shards.ts';
import type { ArtifactStore } from '../store/artifact-store.ts';
import type { Configuration } from '../config/run-configuration.ts';
import type { ReportData } from './report-data.ts';
import { readStoredTraining } from '../models/training/stored-training.ts';
import { runUris } from '../runs/run-layout.ts';
import type { IterationSummary } from '../api/result.ts';

/** All models of a run, with the hashes of their contents if they are known already. */
export async function modelProvenance(
  store: ArtifactStore,
  run: string,
  { models }: Pick<Configuration, 'models'>,
  iterations: readonly IterationSummary[],
): Promise<ReportData['models']> {
  const seed = iterations[0]?.model.sha256;
  const first = (uri: string) => modelBehind(store, shardUri(uri, 0));
  return [
    { role: 'seed judge (M_0)', model: models.seed.checkpoint, sha256: seed },
    {
      role: 'generator',
      model: (models.generator ?? models.seed).checkpoint,
      sha256: models.generator === undefined ? seed : await first(runUris.pairs(run)),
    },
    {
      role: 'first judge',
      model: (models.firstJudge ?? models.seed).checkpoint,
      sha256: models.firstJudge === undefined ? seed : await first(runUris.judgments(run, 1)),
    },
    ...iterations.slice(1).map(({ iteration, model }) => ({
      role: `judge M_${iteration}`,
      model: model.checkpoint,
      sha256: model.sha256,
    })),
  ];
}

/** The model that produced a shard. */
async function modelBehind(store: ArtifactStore, uri: string): Promise<string | undefined> {
  const model = (await store.readManifest(uri))?.fingerprint['model'];
  return typeof model === 'string' ? model : undefined;
}

const packageSchema = z.object({ version: z.string(), dependencies: z.record(z.string(), z.string()) });

/** The versions of the software of a run: this product, Temporal's SDK, Node, and the packages of the last training. */
export async function softwareVersions(
  { store, packageRoot }: { readonly store: ArtifactStore; readonly packageRoot: string },
  {
    workflowType,
    activityType,
  }: { readonly workflowType?: string | undefined; readonly activityType: string },
  run: string,
  lastTrained: number | undefined,
): Promise<Record<string, string>> {
  const ownPackage = packageSchema.parse(
    JSON.parse(await readFile(join(packageRoot, 'package.json'), 'utf8')),
  );
  const versions: Record<string, string> = {
    'self-taught-evaluator': ownPackage.version,
    '@temporalio/worker': ownPackage.dependencies['@temporalio/worker'] ?? 'unknown',
    node: process.versions.node,
    platform: `${process.platform} ${process.arch}`,
  };
  if (workflowType !== undefined) versions['workflow'] = `${workflowType}, ${activityType}`;
  if (lastTrained === undefined) return versions;
  const result = await readStoredTraining(store, runUris.training(run, lastTrained));
  return { ...versions, ...result?.versions };
}
