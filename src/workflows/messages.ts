/** What a run can be asked and told while it works. */
import { defineQuery, defineSignal } from '@temporalio/workflow';
import type { ShardProgress } from './map-shards-input.ts';
import type { RunProgress } from './run-progress.ts';

/** Where a run is: its phase, the stage under way, the table of iterations so far. */
export const progressQuery = defineQuery<RunProgress>('progress');

/** From a stage to its run, a bounded number of times for each stage. */
export const shardProgressSignal = defineSignal<[ShardProgress]>('shardProgress');
