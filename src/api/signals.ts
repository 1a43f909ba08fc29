/** The arguments of the signals that workflows and activities send each other. */
import type { Counts } from '../store/artifact.ts';
import type { Usage } from './budget.ts';
import type { Paused, Wait } from './progress.ts';
import type { ShardedStage } from './stages.ts';

/** The pause of a workflow, passed on when it continues as new. */
export interface PauseState {
  /** Counts pauses and resumes: signals may arrive out of order, and only a newer one is applied. */
  readonly revision: number;
  readonly paused?: Paused | undefined;
}

/** A stage reports its progress to its run. */
export interface ShardProgress {
  readonly stage: ShardedStage;
  readonly iteration: number;
  readonly benchmark?: string;
  /** Set in the evaluation of a checkpoint among which validation chooses. */
  readonly step?: number;
  readonly done: number;
  readonly shards: number;
  readonly counts: Counts;
  /** The usage of the whole run, if it has a budget. */
  readonly usage?: Usage;
  /** Warnings for readers of the figures, so far. */
  readonly warnings?: readonly string[];
}

/** A worker reports to a run all that the run's activities wait for; what is missing is over. */
export interface WaitsReport {
  readonly waits: readonly ActivityWait[];
}

/** Activities of one type in one workflow that wait. */
export type ActivityWait = Pick<Wait, 'workflowId' | 'activity' | 'reason' | 'since'>;

/** A training reports a step to its run, a bounded number of times. */
export interface TrainingStep {
  readonly iteration: number;
  readonly step: number;
  readonly totalSteps: number;
  readonly loss: number;
  /** The seconds until the last step, by the trainer's rate so far. */
  readonly etaSeconds: number;
}

/** A training reports warnings and stalls to its run. */
export interface TrainingNotice {
  readonly iteration: number;
  /** How often the training stalled, was stopped and continued. */
  readonly stalls: number;
  readonly warnings: readonly string[];
}
