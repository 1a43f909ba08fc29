import pLimit from 'p-limit';
import { ArtifactDamaged } from '../artifacts/errors.ts';
import type { Manifest } from '../artifacts/reference.ts';
import { publishIndex, shardUri } from '../artifacts/shards.ts';
import { referenceTo } from '../artifacts/store.ts';
import { withHeartbeats } from './attempt.ts';
import type { Dependencies } from './dependencies.ts';
import { stageUri } from './open-run.ts';
import type { RunReference, ShardedStage, StageResult } from './types.ts';

/** A stage may have thousands of shards, and a shared folder may take milliseconds for each. */
const READS_AT_ONCE = 32;

/** Which stage is meant, and over how many shards. */
export interface StageInput {
  readonly run: RunReference;
  readonly stage: ShardedStage;
  readonly iteration: number;
  readonly benchmark?: string;
  readonly shards: number;
}

/** Publishes the index of a stage whose shards are all there, with the sums of their counts. */
export function completeStage(deps: Dependencies, input: StageInput): Promise<Omit<StageResult, 'seconds'>> {
  return withHeartbeats(async () => {
    const uri = stageUri(input.stage, input.run.runName, input.iteration, input.benchmark);
    const manifestOf = async (shard: number): Promise<Manifest> => {
      const manifest = await deps.store.manifest(shardUri(uri, shard));
      if (manifest === undefined)
        throw new ArtifactDamaged(`${deps.store.path(shardUri(uri, shard))} is missing`);
      return manifest;
    };
    const shards = Array.from({ length: input.shards }, (_, shard) => shard);
    const manifests = await pLimit(READS_AT_ONCE).map(shards, manifestOf);
    const index = await publishIndex(deps.store, uri, manifests);
    return { artifact: referenceTo(index), counts: index.counts };
  });
}
