/** What a run can be asked and told while it works. */
import { defineQuery, defineSignal, defineUpdate } from '@temporalio/workflow';
import type { ShardProgress } from './map-shards-input.ts';
import type { PauseRequest, PauseState } from './pause.ts';
import type { RunProgress } from './run-progress.ts';

/** Where a run is: its phase, the stage under way, the table of iterations so far. */
export const progressQuery = defineQuery<RunProgress>('progress');

/** Nothing new begins until `resume`. An update, so that who asks hears of a refusal, and when it is in force. */
export const pauseUpdate = defineUpdate<void, [request: PauseRequest | null | undefined]>('pause');

export const resumeUpdate = defineUpdate<void>('resume');

/** From a workflow to its children: whether the run is paused. */
export const pauseSignal = defineSignal<[PauseState]>('pauseChanged');

/** From a stage to its run, a bounded number of times for each stage. */
export const shardProgressSignal = defineSignal<[ShardProgress]>('shardProgress');
