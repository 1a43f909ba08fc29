import type { RetryPolicy } from '@temporalio/common';
import { proxyActivities, workflowInfo, type ActivityOptions } from '@temporalio/workflow';
import type {
  GpuActivities,
  InferenceActivities,
  MachineActivities,
  WorkflowActivities,
} from '../activities/index.ts';
import type { RunPlan } from '../activities/types.ts';

/**
 * How activities are called. They are retried without a limit on attempts, because a pause or a worker's shutdown
 * counts as one; what can't be mended by trying again is named here and fails at once. The wait stays short, because
 * attempts add up over the hours of a shard or a training, whatever ended them: an endpoint that refuses is given time
 * by the inference client, and a trainer or a server by its own start.
 */
const retry = {
  initialInterval: '1 s',
  backoffCoefficient: 2,
  maximumInterval: '5 s',
  nonRetryableErrorTypes: [
    'FingerprintMismatch',
    'ArtifactDamaged',
    'InputProblem',
    'TooManySetAside',
    'BenchmarkFileError',
    'UnreadableFileError',
    'EndpointRejected',
    'ModelNotFound',
    'TrainingFailedPermanently',
  ],
} satisfies RetryPolicy;

/**
 * How a child workflow gets its id. After `temporal workflow reset` the children of the run that was left are still at
 * work; the run begins them again, and what they have done so far stands in the store.
 */
export const TAKE_OVER = 'TERMINATE_IF_RUNNING';

/** The task queue of a role, beside the one that workflows run on. */
function roleQueue(role: 'inference' | 'gpu'): string {
  return `${workflowInfo().taskQueue}-${role}`;
}

const lightOptions = {
  startToCloseTimeout: '1 h',
  heartbeatTimeout: '10 s',
  retry,
} satisfies ActivityOptions;

/** Light activities next to the workflows. */
export const light = proxyActivities<WorkflowActivities>(lightOptions);

/** The same, given up after a few attempts: for what a run does without, and what somebody waits for who may ask again. */
export const lightTried = proxyActivities<WorkflowActivities>({
  ...lightOptions,
  retry: { ...retry, maximumAttempts: 3 },
});

/**
 * The push to the hub, which is tried again for so long: a hub may be away for hours, and weights take hours to send. What
 * arrived is not sent again.
 */
export function publishing({ tryForHours }: NonNullable<RunPlan['publish']>) {
  return proxyActivities<Pick<WorkflowActivities, 'publishOutputs'>>({
    scheduleToCloseTimeout: tryForHours * 3_600_000,
    heartbeatTimeout: '1 min',
    cancellationType: 'WAIT_CANCELLATION_COMPLETED',
    retry: { ...retry, maximumInterval: '5 min' },
  });
}

type Timeouts = RunPlan['timeouts'];

/** Activities that ask models. */
export function inference({ heartbeatSeconds }: Timeouts) {
  return proxyActivities<InferenceActivities>({
    taskQueue: roleQueue('inference'),
    startToCloseTimeout: '24 h',
    heartbeatTimeout: heartbeatSeconds * 1000,
    retry,
  });
}

/** The checks before any work: a worker must answer soon, and a failure is a finding, not something to try again. */
const preflightOptions: ActivityOptions = {
  scheduleToStartTimeout: '15 s',
  startToCloseTimeout: '5 min',
  heartbeatTimeout: '30 s',
  retry: { maximumAttempts: 2 },
};

export const preflight = {
  inference: () =>
    proxyActivities<InferenceActivities>({ ...preflightOptions, taskQueue: roleQueue('inference') }),
  gpu: () => proxyActivities<GpuActivities>({ ...preflightOptions, taskQueue: roleQueue('gpu') }),
  queue: roleQueue,
};

/** Whichever machine with the role is free. */
export function anyMachine() {
  return proxyActivities<GpuActivities>({ taskQueue: roleQueue('gpu'), startToCloseTimeout: '10 s', retry });
}

/** The machine that was claimed. When none of its workers takes the work in time, another one is claimed. */
export function machine(queue: string, { heartbeatSeconds, workerSeconds, fineTuneHours }: Timeouts) {
  const options: ActivityOptions = {
    taskQueue: queue,
    scheduleToStartTimeout: workerSeconds * 1000,
    startToCloseTimeout: '4 h',
    heartbeatTimeout: heartbeatSeconds * 1000,
    // A server that stops, and a trainer that saves, are waited for.
    cancellationType: 'WAIT_CANCELLATION_COMPLETED',
    retry: {
      ...retry,
      nonRetryableErrorTypes: retry.nonRetryableErrorTypes.filter((type) => type !== 'ModelNotFound'),
    },
  };
  const { identifyModel, serveModel, stopServing, stopTraining } =
    proxyActivities<MachineActivities>(options);
  const { fineTune } = proxyActivities<MachineActivities>({
    ...options,
    startToCloseTimeout: fineTuneHours * 3_600_000,
  });
  return { identifyModel, serveModel, stopServing, fineTune, stopTraining };
}
