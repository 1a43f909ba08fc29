/** The status of a run, an evaluation or the judging of a file: one vocabulary for progress, store, list, report and Temporal. */
import type { WorkflowExecutionStatusName } from '@temporalio/client';

export const RUN_STATUSES = [
  'planning',
  'running',
  'paused',
  'joined',
  'finishing',
  'completed',
  'failed',
  'cancelled',
  'interrupted',
] as const;

/**
 * `joined`: another workflow owns the run, and this one waits for it. `finishing`: the result is being written.
 * `interrupted`: the store has the run without an end, and no server says that it is running.
 */
export type RunStatus = (typeof RUN_STATUSES)[number];

/** The statuses of a workflow that has not ended. */
export const ACTIVE_STATUSES = ['planning', 'running', 'paused', 'joined', 'finishing'] as const;
export type ActiveStatus = (typeof ACTIVE_STATUSES)[number];

/** The statuses of a workflow that has ended. */
export const END_STATUSES = ['completed', 'failed', 'cancelled'] as const;
export type EndStatus = (typeof END_STATUSES)[number];

/** The statuses that a workflow can tell of itself, in its progress. */
export const WORKFLOW_STATUSES = [...ACTIVE_STATUSES, ...END_STATUSES] as const;
export type WorkflowStatus = (typeof WORKFLOW_STATUSES)[number];

/** The statuses that a run's report and `state.json` are written with. */
export const REPORTED_STATUSES = ['running', 'paused', ...END_STATUSES] as const;
export type ReportedStatus = (typeof REPORTED_STATUSES)[number];

export function isActiveStatus(status: string | undefined): status is ActiveStatus {
  return (ACTIVE_STATUSES as readonly (string | undefined)[]).includes(status);
}

/** The status that Temporal gives an execution; undefined if Temporal does not know whether it has ended. */
export function statusOfExecution(
  name: WorkflowExecutionStatusName,
): 'running' | 'paused' | EndStatus | undefined {
  switch (name) {
    case 'RUNNING':
      return 'running';
    case 'PAUSED':
      return 'paused';
    case 'COMPLETED':
      return 'completed';
    case 'FAILED':
    case 'TIMED_OUT':
      return 'failed';
    case 'CANCELLED':
    case 'TERMINATED':
      return 'cancelled';
    case 'CONTINUED_AS_NEW':
    case 'UNSPECIFIED':
    case 'UNKNOWN':
      return undefined;
  }
}
