import type { Counts } from '../artifacts/reference.ts';
import type { ShardedStage, ShardInput } from '../activities/types.ts';
import type { RunPlan } from '../activities/types.ts';
import type { Amounts } from '../format/amounts.ts';
import type { PauseState } from './pause.ts';

/** A stage to map over the shards of its input. */
export interface MapShardsInput {
  readonly stage: ShardedStage;
  readonly work: Omit<ShardInput, 'shard'>;
  readonly shardsAtOnce: number;
  readonly timeouts: RunPlan['timeouts'];
  /** The run to tell how far the stage is; by workflow id, so that it may continue as new. */
  readonly runWorkflowId: string;
}

/** How far a stage is, carried along when it continues as new. */
export interface MapShardsState {
  readonly done: number;
  readonly counts: Counts;
  /** Milliseconds since the epoch. */
  readonly startedAt: number;
  readonly pause: PauseState;
}

/** What a stage tells its run. */
export interface ShardProgress {
  readonly stage: ShardedStage;
  readonly iteration: number;
  readonly benchmark?: string;
  readonly done: number;
  readonly shards: number;
  readonly counts: Counts;
  /** By the run in all, where it has a budget. */
  readonly spent?: Amounts;
}
