/**
 * Every metric of a worker, once: what is measured, by which labels, and what it means. The exporter, the table in
 * docs/operations.md and the tests of dashboard and alerts follow from this list; Temporal's SDK adds its own
 * (`temporal_...`). No label takes a value of which a run makes more and more: an instruction, a shard, a process.
 */

export interface MetricDescription {
  readonly kind: 'counter' | 'gauge' | 'histogram';
  /** Without the suffix that its unit and kind add. */
  readonly name: string;
  /** Of a histogram; a gauge carries it in its name, because the SDK adds it to histograms alone. */
  readonly unit?: 'seconds';
  readonly labels: readonly string[];
  readonly help: string;
}

const PREFIX = 'self_taught_evaluator';
const REQUEST_LABELS = ['endpoint', 'model', 'stage'] as const;
const RUN_LABELS = ['run', 'iteration'] as const;
const QUEUE_LABELS = ['queue', 'type'] as const;

export const WORKER_METRICS = {
  modelRequests: {
    kind: 'counter',
    name: `${PREFIX}_model_requests`,
    labels: REQUEST_LABELS,
    help: 'HTTP requests sent to a model, repeated ones included',
  },
  modelRequestRetries: {
    kind: 'counter',
    name: `${PREFIX}_model_request_retries`,
    labels: [...REQUEST_LABELS, 'reason'],
    help: 'Attempts that failed and were made again: time-out, network, rate-limit (429), server-error, unusable-answer',
  },
  modelRequestFailures: {
    kind: 'counter',
    name: `${PREFIX}_model_request_failures`,
    labels: [...REQUEST_LABELS, 'reason'],
    help: 'Requests given up: EndpointUnavailable (after all its retries), EndpointRejected (key), ModelNotFound, RequestRefused (its unit is set aside)',
  },
  modelRequestDuration: {
    kind: 'histogram',
    name: `${PREFIX}_model_request_duration`,
    unit: 'seconds',
    labels: REQUEST_LABELS,
    help: 'From sending a request to its whole answer, of attempts that were answered',
  },
  modelTokens: {
    kind: 'counter',
    name: `${PREFIX}_model_tokens`,
    labels: [...REQUEST_LABELS, 'type'],
    help: 'Tokens that the endpoint counted: prompt, completion',
  },
  modelRequestsInFlight: {
    kind: 'gauge',
    name: `${PREFIX}_model_requests_in_flight`,
    labels: ['endpoint'],
    help: 'Requests under way',
  },
  modelRequestsWaiting: {
    kind: 'gauge',
    name: `${PREFIX}_model_requests_waiting`,
    labels: ['endpoint'],
    help: 'Requests that wait until they may be sent; those that may go to several endpoints count at each',
  },
  modelRequestsLimit: {
    kind: 'gauge',
    name: `${PREFIX}_model_requests_limit`,
    labels: ['endpoint'],
    help: 'Requests that may be under way now, between --minimum-requests-in-flight and --requests-in-flight',
  },
  modelRequestsRate: {
    kind: 'gauge',
    name: `${PREFIX}_model_requests_rate_limit`,
    labels: ['endpoint'],
    help: 'Requests a second that may be sent since the endpoint refused some (429); 0 where nothing is held back',
  },
  modelEndpoints: {
    kind: 'gauge',
    name: `${PREFIX}_model_endpoint_state`,
    labels: ['endpoint', 'state'],
    help: '1 for the state that it is in: closed (it is asked), open (down, left alone), half-open (asked once whether it is back)',
  },
  records: {
    kind: 'counter',
    name: `${PREFIX}_records`,
    labels: ['stage', 'benchmark'],
    help: 'Answers of models that were kept (a judgment, a response); benchmark is empty outside evaluation',
  },
  unitsSetAside: {
    kind: 'counter',
    name: `${PREFIX}_units_set_aside`,
    labels: ['stage', 'benchmark', 'kind', 'reason'],
    help: 'Examples that lead to no record: failed for good, or dropped by the method',
  },
  trainingActive: {
    kind: 'gauge',
    name: `${PREFIX}_training_active`,
    labels: RUN_LABELS,
    help: '1 while this worker follows a trainer, then 0; the figures below then keep their last value',
  },
  trainingLoss: {
    kind: 'gauge',
    name: `${PREFIX}_training_loss`,
    labels: RUN_LABELS,
    help: 'Loss of the last step',
  },
  trainingStep: {
    kind: 'gauge',
    name: `${PREFIX}_training_step`,
    labels: RUN_LABELS,
    help: 'Optimizer steps done',
  },
  trainingTotalSteps: {
    kind: 'gauge',
    name: `${PREFIX}_training_total_steps`,
    labels: RUN_LABELS,
    help: 'Optimizer steps of the whole training',
  },
  trainingTokensPerSecond: {
    kind: 'gauge',
    name: `${PREFIX}_training_tokens_per_second`,
    labels: RUN_LABELS,
    help: "Tokens a second, the mean since the trainer's start",
  },
  modelServers: {
    kind: 'gauge',
    name: `${PREFIX}_model_servers`,
    labels: ['state'],
    help: 'Model servers of this machine: starting, ready, given-up (kept failing; started when asked for again). Role gpu alone',
  },
  taskQueueBacklog: {
    kind: 'gauge',
    name: `${PREFIX}_task_queue_backlog`,
    labels: QUEUE_LABELS,
    help: "Tasks that wait on a queue of the worker's roles, by Temporal's estimate; type is workflow or activity. Every worker of the queue tells the same: take the maximum",
  },
  taskQueueBacklogAge: {
    kind: 'gauge',
    name: `${PREFIX}_task_queue_backlog_age_seconds`,
    labels: QUEUE_LABELS,
    help: 'How long the oldest of them has waited',
  },
} as const satisfies Readonly<Record<string, MetricDescription>>;

export type MetricKey = keyof typeof WORKER_METRICS;

/** The name at `/metrics`; of a histogram the one that `_bucket`, `_sum` and `_count` are added to. */
export function exposedName({ kind, name, unit }: MetricDescription): string {
  return `${name}${unit === undefined ? '' : `_${unit}`}${kind === 'counter' ? '_total' : ''}`;
}
