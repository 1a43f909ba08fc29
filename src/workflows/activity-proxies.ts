import type { RetryPolicy } from '@temporalio/common';
import { proxyActivities, workflowInfo, type ActivityOptions } from '@temporalio/workflow';
import type {
  GpuActivities,
  InferenceActivities,
  PinnedWorkerActivities,
  WorkflowActivities,
} from '../activities/index.ts';
import { NON_RETRYABLE_FAILURES } from '../api/temporal-names.ts';
import type { RunPlan } from '../api/activity-types.ts';

/**
 * How activities are retried. Attempts are not limited, because a pause or a worker's shutdown counts as one; failures that
 * a retry cannot fix are listed and fail at once. The interval stays short, because a shard or a training collects attempts
 * over hours, whatever ended them: the inference client itself waits for an endpoint that refuses requests, and a trainer
 * or a server takes its own time to start.
 */
const retry = {
  initialInterval: '1 s',
  backoffCoefficient: 2,
  maximumInterval: '5 s',
  nonRetryableErrorTypes: [...NON_RETRYABLE_FAILURES],
} satisfies RetryPolicy;

/**
 * How a child workflow reuses its id. After `temporal workflow reset` the children of the abandoned execution are still
 * running; the run starts them again, and their results so far are in the store.
 */
export const TERMINATE_EXISTING = 'TERMINATE_IF_RUNNING';

/** The task queue of a role, beside the one that workflows run on. */
function roleTaskQueue(role: 'inference' | 'gpu'): string {
  return `${workflowInfo().taskQueue}-${role}`;
}

const workflowActivityOptions = {
  startToCloseTimeout: '1 h',
  heartbeatTimeout: '10 s',
  retry,
} satisfies ActivityOptions;

/** Short activities of the role `workflow`. */
export const workflowActivities = proxyActivities<WorkflowActivities>(workflowActivityOptions);

/** The same with few attempts, for work that a run can do without, or that a waiting caller can request again. */
export const limitedRetryActivities = proxyActivities<WorkflowActivities>({
  ...workflowActivityOptions,
  retry: { ...retry, maximumAttempts: 3 },
});

/**
 * Sends outputs elsewhere, retried for `retryHours`: a hub or a bucket may be unreachable for hours, and weights take hours to
 * send. Files or artifacts that have arrived are not sent again.
 */
export function pushActivities({ retryHours }: { readonly retryHours: number }) {
  return proxyActivities<Pick<WorkflowActivities, 'pushOutputs' | 'copyToBucket'>>({
    scheduleToCloseTimeout: retryHours * 3_600_000,
    heartbeatTimeout: '1 min',
    cancellationType: 'WAIT_CANCELLATION_COMPLETED',
    retry: { ...retry, maximumInterval: '5 min' },
  });
}

type Timeouts = RunPlan['timeouts'];

/**
 * Activities that send requests to models.
 * @param taskQueue the queue of the workers that reach the model
 */
export function inferenceActivities({ heartbeatSeconds }: Timeouts, taskQueue = roleTaskQueue('inference')) {
  return proxyActivities<InferenceActivities>({
    taskQueue,
    startToCloseTimeout: '24 h',
    heartbeatTimeout: heartbeatSeconds * 1000,
    retry,
    priority: { fairnessKey: fairnessKey() },
  });
}

/** The longest fairness key that the server accepts, in bytes. */
const MAX_FAIRNESS_KEY = 64;

/**
 * The runs on a queue get its workers in turn, whatever the number of their waiting shards. A run that was started with a
 * fairness key, such as the name of a team, keeps it.
 */
function fairnessKey(): string {
  const { priority, root, workflowId } = workflowInfo();
  // In ASCII a character is a byte.
  const ofRun = encodeURIComponent(root?.workflowId ?? workflowId).slice(0, MAX_FAIRNESS_KEY);
  return priority?.fairnessKey || ofRun;
}

/** The checks before any work: a worker must answer soon, and a failure is reported, not retried. */
const preflightOptions: ActivityOptions = {
  scheduleToStartTimeout: '15 s',
  startToCloseTimeout: '5 min',
  heartbeatTimeout: '30 s',
  retry: { maximumAttempts: 2 },
  // It takes seconds, and would fail if it waited behind the shards of other runs.
  priority: { priorityKey: 1 },
};

export const preflightActivities = {
  inference: () =>
    proxyActivities<InferenceActivities>({ ...preflightOptions, taskQueue: roleTaskQueue('inference') }),
  gpu: () => proxyActivities<GpuActivities>({ ...preflightOptions, taskQueue: roleTaskQueue('gpu') }),
  queue: roleTaskQueue,
};

/** Activities on any free worker with the role `gpu`. */
export function gpuActivities() {
  return proxyActivities<GpuActivities>({
    taskQueue: roleTaskQueue('gpu'),
    startToCloseTimeout: '10 s',
    retry,
  });
}

/** Activities on the machine that the run is pinned to. If none of its workers takes the work in time, the run pins another one. */
export function pinnedWorkerActivities(
  queue: string,
  { heartbeatSeconds, workerWaitSeconds, fineTuneHours }: Timeouts,
) {
  const options: ActivityOptions = {
    taskQueue: queue,
    scheduleToStartTimeout: workerWaitSeconds * 1000,
    startToCloseTimeout: '4 h',
    heartbeatTimeout: heartbeatSeconds * 1000,
    // Waits until a server has stopped, or a trainer has saved its checkpoint.
    cancellationType: 'WAIT_CANCELLATION_COMPLETED',
    retry: {
      ...retry,
      nonRetryableErrorTypes: retry.nonRetryableErrorTypes.filter((type) => type !== 'ModelNotFound'),
    },
  };
  const { resolveModel, serveModel, stopServing, stopTraining, selectCheckpoint } =
    proxyActivities<PinnedWorkerActivities>(options);
  const { fineTune } = proxyActivities<PinnedWorkerActivities>({
    ...options,
    startToCloseTimeout: fineTuneHours * 3_600_000,
  });
  // It has no end of its own: it is cancelled when it isn't needed any more.
  const { watchServer } = proxyActivities<PinnedWorkerActivities>({
    ...options,
    startToCloseTimeout: '365 d',
    cancellationType: 'TRY_CANCEL',
  });
  return { resolveModel, serveModel, watchServer, stopServing, fineTune, stopTraining, selectCheckpoint };
}
