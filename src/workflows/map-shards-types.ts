import type { Counts } from '../store/artifact.ts';
import type { RunPlan, ShardInput } from '../api/activity-types.ts';
import type { ShardedStage } from '../api/stages.ts';
import type { PauseState } from '../api/signals.ts';

/** A stage to run on every shard of its input. */
export interface MapShardsInput {
  readonly stage: ShardedStage;
  readonly shardInput: Omit<ShardInput, 'shard'>;
  readonly concurrentShards: number;
  readonly timeouts: RunPlan['timeouts'];
  /** The run to report progress to; by workflow id, because it may continue as new. */
  readonly runWorkflowId: string;
}

/** The progress of a stage, passed on when it continues as new. */
export interface MapShardsState {
  readonly done: number;
  readonly counts: Counts;
  readonly warnings?: readonly string[];
  /** Milliseconds since the epoch. */
  readonly startedAt: number;
  readonly pause: PauseState;
}
