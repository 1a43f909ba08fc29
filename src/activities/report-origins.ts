import { Context } from '@temporalio/activity';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { shardUri } from '../artifacts/shards.ts';
import type { ArtifactStore } from '../artifacts/store.ts';
import type { Configuration } from '../config/schema.ts';
import type { ReportData } from '../report/report-data.ts';
import { readResult } from '../training/model-damage.ts';
import type { Dependencies } from './dependencies.ts';
import { runUris } from './open-run.ts';
import type { IterationSummary } from './types.ts';

/** Every model of a run with the hash of its content, as far as the run has come to know it. */
export async function modelsOf(
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

/** The model that a shard was made with. */
async function modelBehind(store: ArtifactStore, uri: string): Promise<string | undefined> {
  const model = (await store.manifest(uri))?.fingerprint['model'];
  return typeof model === 'string' ? model : undefined;
}

const packageSchema = z.object({ version: z.string(), dependencies: z.record(z.string(), z.string()) });

/** What the run was made with: this product, Temporal's SDK, Node, and what the last training found. */
export async function versionsOf(
  { store, packageRoot }: Pick<Dependencies, 'store' | 'packageRoot'>,
  run: string,
  lastTrained: number | undefined,
): Promise<Record<string, string>> {
  const { workflowType, activityType } = Context.current().info;
  const own = packageSchema.parse(JSON.parse(await readFile(join(packageRoot, 'package.json'), 'utf8')));
  const versions: Record<string, string> = {
    'self-taught-evaluator': own.version,
    '@temporalio/worker': own.dependencies['@temporalio/worker'] ?? 'unknown',
    node: process.versions.node,
    platform: `${process.platform} ${process.arch}`,
  };
  if (workflowType !== undefined) versions['workflow'] = `${workflowType}, ${activityType}`;
  if (lastTrained === undefined) return versions;
  const result = await readResult(store.path(runUris.training(run, lastTrained)));
  return { ...versions, ...result?.versions };
}
