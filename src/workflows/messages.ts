/** The queries, updates and signals of the workflows. */
import { QUERIES, SIGNALS, UPDATES } from '../api/temporal-names.ts';
import { defineQuery, defineSignal, defineUpdate } from '@temporalio/workflow';
import type { BudgetChange } from '../api/budget.ts';
import type { TrainingNotice, TrainingStep, WaitsReport } from '../api/signals.ts';
import type { IterationsRequest, StopAfterRequest } from '../api/updates.ts';
import type { ShardHandOver } from '../api/shard-hand-over.ts';
import type { ShardProgress } from '../api/signals.ts';
import type { PauseRequest } from '../api/updates.ts';
import type { PauseState } from '../api/signals.ts';
import type { RunProgress } from '../api/progress.ts';

/** The progress of a run: its status, the running stages, the table of iterations so far. */
export const progressQuery = defineQuery<RunProgress>(QUERIES.progress);

/** The configuration with every default filled in; before the run has read it, as it was given. */
export const configurationQuery = defineQuery<unknown>(QUERIES.configuration);

/** Changes how many iterations the run does. */
export const setIterationsUpdate = defineUpdate<void, [request: IterationsRequest]>(UPDATES.setIterations);

/** Ends the run with its result after the given iteration, or after the current one. */
export const stopAfterIterationUpdate = defineUpdate<void, [request: StopAfterRequest | null | undefined]>(
  UPDATES.stopAfterIteration,
);

/** Starts nothing new until `resume`. It is an update so that the caller learns of a rejection, and of when the pause is in force. */
export const pauseUpdate = defineUpdate<void, [request: PauseRequest | null | undefined]>(UPDATES.pause);

export const resumeUpdate = defineUpdate<void>(UPDATES.resume);

/** Changes the given limits of the budget: null removes a limit, an absent one stays. */
export const setBudgetUpdate = defineUpdate<void, [request: BudgetChange]>(UPDATES.setBudget);

/** From a stage to its run: a worker found the budget exhausted. The run answers with `pauseChanged`, whether it pauses or not. */
export const budgetExhaustedSignal = defineSignal(SIGNALS.budgetExhausted);

/** From a workflow to its children: whether the run is paused. */
export const pauseSignal = defineSignal<[PauseState]>(SIGNALS.pauseChanged);

/** From a stage to its run, a bounded number of times for each stage. */
export const shardProgressSignal = defineSignal<[ShardProgress]>(SIGNALS.shardProgress);

/** From a shard to its stage, at most once for each shard. */
export const shardHandedOverSignal = defineSignal<[ShardHandOver]>(SIGNALS.shardHandedOver);

/** From a worker to a run: what its activities wait for; a bounded number of times a day. */
export const waitsChangedSignal = defineSignal<[WaitsReport]>(SIGNALS.waitsChanged);

/** From a training to its run, a bounded number of times for each training. */
export const trainingStepSignal = defineSignal<[TrainingStep]>(SIGNALS.trainingStep);

/** From a training to its run, once or twice for each start of its trainer. */
export const trainingNoticeSignal = defineSignal<[TrainingNotice]>(SIGNALS.trainingNotice);
