/**
 * Defines every metric of a worker with its labels and its meaning. The exporter, the table in docs/operations.md and the
 * tests of dashboard and alerts use this list; Temporal's SDK adds its own metrics (`temporal_...`). No label has an
 * unbounded set of values, such as instructions, shards or processes.
 */

export interface MetricDescription {
  readonly kind: 'counter' | 'gauge' | 'histogram';
  /** The name without the suffixes of its unit and kind. */
  readonly name: string;
  /** The unit of a histogram. The names of gauges contain their unit, because the SDK adds it to histograms only. */
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
    help: 'HTTP requests sent to a model, retries included',
  },
  modelRequestRetries: {
    kind: 'counter',
    name: `${PREFIX}_model_request_retries`,
    labels: [...REQUEST_LABELS, 'reason'],
    help: 'Failed attempts that were retried, by reason: timeout, network, rate-limit (429), server-error, invalid-answer',
  },
  modelRequestFailures: {
    kind: 'counter',
    name: `${PREFIX}_model_request_failures`,
    labels: [...REQUEST_LABELS, 'reason'],
    help: 'Failed requests, by reason: EndpointUnavailable (after all retries), CreditExhausted, AuthenticationFailed (key), ModelNotFound, EndpointUnsuitable, RequestRejected (its record is skipped)',
  },
  modelRequestDuration: {
    kind: 'histogram',
    name: `${PREFIX}_model_request_duration`,
    unit: 'seconds',
    labels: REQUEST_LABELS,
    help: 'Time from sending a request to its complete answer, for successful attempts',
  },
  modelTokens: {
    kind: 'counter',
    name: `${PREFIX}_model_tokens`,
    labels: [...REQUEST_LABELS, 'type'],
    help: 'Tokens as counted by the endpoint, by type: prompt, completion',
  },
  modelRequestsInFlight: {
    kind: 'gauge',
    name: `${PREFIX}_model_requests_in_flight`,
    labels: ['endpoint'],
    help: 'Requests in flight',
  },
  modelRequestsWaiting: {
    kind: 'gauge',
    name: `${PREFIX}_model_requests_waiting`,
    labels: ['endpoint'],
    help: 'Requests that wait to be sent; requests that may go to several endpoints count at each',
  },
  modelRequestsLimit: {
    kind: 'gauge',
    name: `${PREFIX}_model_requests_limit`,
    labels: ['endpoint'],
    help: 'Limit of requests in flight, between --min-requests-in-flight and --max-requests-in-flight',
  },
  modelRequestsRateLimit: {
    kind: 'gauge',
    name: `${PREFIX}_model_requests_rate_limit`,
    labels: ['endpoint'],
    help: 'Limit of requests per second after the endpoint refused some (429); 0 if there is no limit',
  },
  modelEndpointState: {
    kind: 'gauge',
    name: `${PREFIX}_model_endpoint_state`,
    labels: ['endpoint', 'state'],
    help: '1 for the current state of the circuit breaker: closed (requests are sent), open (down, no requests), half-open (one probe request)',
  },
  records: {
    kind: 'counter',
    name: `${PREFIX}_records`,
    labels: ['stage', 'benchmark'],
    help: 'Records made from answers of models (a judgment, a response); benchmark is empty outside evaluation',
  },
  unitsSkipped: {
    kind: 'counter',
    name: `${PREFIX}_units_skipped`,
    labels: ['stage', 'benchmark', 'kind', 'reason'],
    help: 'Examples without a record: their request failed permanently, or the method dropped them',
  },
  trainingActive: {
    kind: 'gauge',
    name: `${PREFIX}_training_active`,
    labels: RUN_LABELS,
    help: '1 while this worker follows a trainer, then 0; the other training metrics then keep their last value',
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
    help: 'Completed optimizer steps',
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
    help: "Tokens per second, averaged since the trainer's start",
  },
  modelServers: {
    kind: 'gauge',
    name: `${PREFIX}_model_servers`,
    labels: ['state'],
    help: 'Model servers of this machine by state: starting, ready, failed (failed repeatedly; started again when a run needs it). Only for the role gpu',
  },
  waits: {
    kind: 'gauge',
    name: `${PREFIX}_waits`,
    labels: ['stage'],
    help: 'Waits of the open runs that `follow` shows, by the stage (activity) that waits. Every worker with the role workflow reports the same value: use the maximum',
  },
  judgeComparisonTime: {
    kind: 'gauge',
    name: `${PREFIX}_judge_comparison_timestamp_seconds`,
    labels: ['series', 'benchmark', 'outcome'],
    help: 'Time (Unix) of the last comparison of an evaluated judge with earlier figures that had this outcome: none, worse, better, not-compared. series is the name of the evaluations without their dates',
  },
  taskQueueBacklog: {
    kind: 'gauge',
    name: `${PREFIX}_task_queue_backlog`,
    labels: QUEUE_LABELS,
    help: "Tasks that wait in a task queue of the worker's roles, estimated by Temporal; type is workflow or activity. Every worker of the queue reports the same value: use the maximum",
  },
  taskQueueBacklogAge: {
    kind: 'gauge',
    name: `${PREFIX}_task_queue_backlog_age_seconds`,
    labels: QUEUE_LABELS,
    help: 'Time that the oldest task in the queue has waited',
  },
} as const satisfies Readonly<Record<string, MetricDescription>>;

export type MetricKey = keyof typeof WORKER_METRICS;

/** Returns the name at `/metrics`; for a histogram, without `_bucket`, `_sum` and `_count`. */
export function prometheusName({ kind, name, unit }: MetricDescription): string {
  return `${name}${unit === undefined ? '' : `_${unit}`}${kind === 'counter' ? '_total' : ''}`;
}
