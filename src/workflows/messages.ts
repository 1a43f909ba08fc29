/** What a run can be asked and told while it works. */
import { defineQuery, defineSignal, defineUpdate } from '@temporalio/workflow';
import type { BudgetChange } from '../activities/budget.ts';
import type { StageWaiting, TrainingNotice, TrainingStep } from '../activities/types.ts';
import type { IterationsRequest, StopAfterRequest } from './change-iterations.ts';
import type { ShardProgress } from './map-shards-input.ts';
import type { PauseRequest, PauseState } from './pause.ts';
import type { RunProgress } from '../contract/progress.ts';

/** Where a run is: its phase, the stage under way, the table of iterations so far. */
export const progressQuery = defineQuery<RunProgress>('progress');

/** The configuration with every default filled in; as it was given, until the run has read it. */
export const configurationQuery = defineQuery<unknown>('configuration');

/** How many iterations the run does, more or fewer than it was started with. */
export const setIterationsUpdate = defineUpdate<void, [request: IterationsRequest]>('setIterations');

/** The run ends with its result after this iteration, or after the one that is under way. */
export const stopAfterIterationUpdate = defineUpdate<void, [request: StopAfterRequest | null | undefined]>(
  'stopAfterIteration',
);

/** Nothing new begins until `resume`. An update, so that who asks hears of a refusal, and when it is in force. */
export const pauseUpdate = defineUpdate<void, [request: PauseRequest | null | undefined]>('pause');

export const resumeUpdate = defineUpdate<void>('resume');

/** What the run may spend: what is given changes, null takes a limit away, what is left out stays. */
export const setBudgetUpdate = defineUpdate<void, [request: BudgetChange]>('setBudget');

/** From a stage to its run: the budget is spent. Answered by `pauseChanged`, whatever the run makes of it. */
export const budgetReachedSignal = defineSignal('budgetReached');

/** From a workflow to its children: whether the run is paused. */
export const pauseSignal = defineSignal<[PauseState]>('pauseChanged');

/** From a stage to its run, a bounded number of times for each stage. */
export const shardProgressSignal = defineSignal<[ShardProgress]>('shardProgress');

/** From an activity to its run: why its stage waits, or that it goes on; a bounded number of times for each stage. */
export const stageWaitingSignal = defineSignal<[StageWaiting]>('stageWaiting');

/** From a training to its run, a bounded number of times for each training. */
export const trainingStepSignal = defineSignal<[TrainingStep]>('trainingStep');

/** From a training to its run, once or twice for each start of its trainer. */
export const trainingNoticeSignal = defineSignal<[TrainingNotice]>('trainingNotice');
