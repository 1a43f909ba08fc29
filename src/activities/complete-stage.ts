import pLimit from 'p-limit';
import { ArtifactDamaged } from '../store/errors.ts';
import type { Manifest } from '../store/artifact.ts';
import { publishShardIndex, shardUri } from '../store/shards.ts';
import { toReference } from '../store/artifact.ts';
import { withHeartbeats } from './heartbeats.ts';
import type { Dependencies } from './dependencies.ts';
import { stageUri } from '../runs/run-layout.ts';
import type { RunReference, StageResult } from '../api/activity-types.ts';
import type { ShardedStage } from '../api/stages.ts';

/**
 * The manifests that are read at the same time: a stage may have thousands of shards, and a shared folder may take
 * milliseconds for each.
 */
const MAX_CONCURRENT_READS = 32;

/** The stage, and the number of its shards. */
export interface CompleteStageInput {
  readonly run: RunReference;
  readonly stage: ShardedStage;
  readonly iteration: number;
  readonly benchmark?: string;
  readonly step?: number;
  readonly shards: number;
}

/** Publishes the index of a stage after all of its shards are published, with the sums of their counts. */
export function completeStage(
  deps: Dependencies,
  input: CompleteStageInput,
): Promise<Omit<StageResult, 'seconds'>> {
  return withHeartbeats(async () => {
    const uri = stageUri(input.stage, input.run.runName, input);
    const manifestOf = async (shard: number): Promise<Manifest> => {
      const manifest = await deps.store.readManifest(shardUri(uri, shard));
      if (manifest === undefined)
        throw new ArtifactDamaged(`${deps.store.locate(shardUri(uri, shard))} is missing`);
      return manifest;
    };
    const shards = Array.from({ length: input.shards }, (_, shard) => shard);
    const manifests = await pLimit(MAX_CONCURRENT_READS).map(shards, manifestOf);
    const index = await publishShardIndex(deps.store, uri, manifests);
    return { artifact: toReference(index), counts: index.counts };
  });
}
