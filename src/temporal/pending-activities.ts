/** Reads from the server what the activities of a run are at: those of its workflow, and those of its children. */
import type { Client } from '@temporalio/client';
import { CancelledFailure, TimeoutFailure } from '@temporalio/common';
import {
  decodeFromPayloadsAtIndex,
  decodeOptionalFailureToOptionalError,
} from '@temporalio/common/lib/internal-non-workflow/index.js';
import { optionalTsToDate } from '@temporalio/common/lib/time.js';
import { isPayloadNotDecrypted } from './payload-not-decrypted.ts';
import type { ActivityHeartbeat } from '../api/activity-types.ts';

/** An activity that has not ended, or a child workflow that fails in its worker and is tried again. */
export interface PendingActivity {
  readonly workflowId: string;
  /** Unique among all activities of all workflows. */
  readonly key: string;
  readonly type: string;
  /** `scheduled`: it waits for a worker, or for its next attempt. */
  readonly state: 'scheduled' | 'started' | 'paused';
  /** The attempt that runs or is scheduled, from 1. */
  readonly attempt: number;
  /** When it is given to a worker; in the future if it waits for its next attempt. */
  readonly scheduledAt: Date;
  readonly taskQueue: string;
  /** Why the last attempt failed, if one did. */
  readonly failure?: string;
  readonly failedAt?: Date;
  /** The progress in its last heartbeat, as a text to compare; empty if it reports none. */
  readonly progress: string;
  /** The wait that the running attempt reports. */
  readonly wait?: NonNullable<ActivityHeartbeat['wait']>;
}

/** Advice if a workflow, not an activity, fails in its worker. */
export const FAILING_WORKFLOW =
  "the workflow itself fails in its worker and is retried; the worker's log has the reason. It continues with a worker of the build " +
  'that started the run, or of a build that fixes the error';

export interface PendingWork {
  readonly activities: readonly PendingActivity[];
  /** How many calls to the server it took to read them. */
  readonly calls: number;
}

/** Reads the pending activities of a run and of its child workflows. */
export async function readPendingActivities(client: Client, workflowId: string): Promise<PendingWork> {
  const activities: PendingActivity[] = [];
  const workflowIds = [workflowId];
  for (const id of workflowIds) {
    const { raw } = await client.workflow.getHandle(id).describe();
    for (const child of raw.pendingChildren ?? []) if (child.workflowId) workflowIds.push(child.workflowId);
    const attempt = raw.pendingWorkflowTask?.attempt ?? 1;
    // The run itself could not show that it fails.
    if (attempt > 1 && id !== workflowId) activities.push(await failingWorkflow(client, id, attempt));
    for (const activity of raw.pendingActivities ?? [])
      activities.push(
        await toPendingActivity(client, id, raw.workflowExecutionInfo?.execution?.runId, activity),
      );
  }
  return { activities, calls: workflowIds.length };
}

async function failingWorkflow(
  client: Client,
  workflowId: string,
  attempt: number,
): Promise<PendingActivity> {
  return {
    workflowId,
    key: `${workflowId}/workflow`,
    type: 'workflow',
    state: 'scheduled',
    attempt,
    // Not known; in the future it counts as waiting for its next attempt.
    scheduledAt: new Date(Date.now() + 60_000),
    taskQueue: '',
    failure: (await keyProblem(client, workflowId)) ?? FAILING_WORKFLOW,
    progress: '',
  };
}

const LAST_EVENTS = 10;

/** Which key a worker lacks for a workflow that fails in it, and what to do; undefined if it fails for another reason. */
export async function keyProblem(client: Client, workflowId: string): Promise<string | undefined> {
  const { namespace } = client.options;
  const { history } = await client.workflowService.getWorkflowExecutionHistoryReverse({
    namespace,
    execution: { workflowId },
    maximumPageSize: LAST_EVENTS,
  });
  // The history has the first of several failures in a row.
  const failed = history?.events?.find((event) => event.workflowTaskFailedEventAttributes);
  const { failure, identity } = failed?.workflowTaskFailedEventAttributes ?? {};
  if (!isPayloadNotDecrypted(failure?.message)) return undefined;
  return `its worker ${identity} can't read it, and tries again: ${failure.message.replace(/\.$/, '')}`;
}

type Described = Awaited<ReturnType<ReturnType<Client['workflow']['getHandle']>['describe']>>['raw'];
type DescribedActivity = NonNullable<Described['pendingActivities']>[number];

/** PendingActivityState of Temporal's API. An activity that is asked to cancel, or to pause, still runs. */
const SCHEDULED = 1;
const PAUSED = 4;

async function toPendingActivity(
  client: Client,
  workflowId: string,
  runId: string | null | undefined,
  activity: DescribedActivity,
): Promise<PendingActivity> {
  const { state, attempt, lastFailure, heartbeatDetails, lastWorkerIdentity, activityOptions } = activity;
  const { loadedDataConverter } = client.options;
  const failure = await decodeOptionalFailureToOptionalError(loadedDataConverter, lastFailure);
  const failedAt = optionalTsToDate(activity.lastAttemptCompleteTime);
  const heartbeat = (await decodeFromPayloadsAtIndex<unknown>(
    loadedDataConverter,
    0,
    heartbeatDetails?.payloads,
  )) as ActivityHeartbeat | null | undefined;
  const { wait, failedStarts = 0, ...progress } = heartbeat ?? {};
  const shownFailure = failure && failureText(failure, lastWorkerIdentity ?? 'unknown');
  return {
    workflowId,
    key: `${runId ?? workflowId}/${activity.activityId}`,
    type: activity.activityType?.name ?? 'an activity',
    state: state === SCHEDULED ? 'scheduled' : state === PAUSED ? 'paused' : 'started',
    attempt: attempt ?? 1,
    scheduledAt: optionalTsToDate(activity.scheduledTime) ?? new Date(0),
    taskQueue: activityOptions?.taskQueue?.name ?? '',
    ...(shownFailure === undefined ? {} : { failure: shownFailure }),
    ...(failedAt === undefined ? {} : { failedAt }),
    progress: Object.keys(progress).length === 0 ? '' : JSON.stringify(progress),
    ...(state !== SCHEDULED && wait !== undefined ? { wait } : {}),
    // A server that has failed to start is shown at once, and until it is up: each start takes minutes.
    ...(wait === undefined && failedStarts > 0 && shownFailure !== undefined
      ? { wait: { reason: shownFailure, since: (failedAt ?? new Date()).toISOString() } }
      : {}),
  };
}

/** A failure's messages, and the worker where it happened, in one paragraph without stack. */
function failureText(failure: Error, worker: string): string {
  if (failure instanceof TimeoutFailure)
    return failure.timeoutType === 'HEARTBEAT'
      ? `the worker ${worker} stopped answering: it was killed, or its machine stopped or lost its network. If this happens again and again, look at its log and its memory`
      : `an attempt on the worker ${worker} took longer than its limit (${failure.timeoutType})`;
  if (failure instanceof CancelledFailure)
    return `the worker ${worker} stopped, or the activity was paused or reset (${failure.message})`;
  const messages: string[] = [];
  for (let cause: unknown = failure; cause instanceof Error; cause = cause.cause)
    messages.push(cause.message);
  // An error often repeats the message of its cause.
  const distinct = messages.filter(
    (text, index) => !messages.slice(0, index).some((outer) => outer.includes(text)),
  );
  return `${shortened(distinct.join(' Cause: '))} (on the worker ${worker})`;
}

const MAX_LENGTH = 1000;

/** The text on one line; without its middle if it is long: the last words of a process are at the end. */
function shortened(text: string): string {
  const line = text.replaceAll(/\s+/g, ' ').trim().toWellFormed();
  const half = MAX_LENGTH / 2;
  return line.length <= MAX_LENGTH ? line : `${line.slice(0, half)} ... ${line.slice(-half)}`.toWellFormed();
}
