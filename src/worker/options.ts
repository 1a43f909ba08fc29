/**
 * The options of a worker: names, meanings, defaults, and the corresponding environment variables. The command line's
 * help, docs/cli.md and the worker use these definitions.
 */
import { DEFAULT_TASK_QUEUE, ROLES } from '../api/task-queues.ts';
import { PASS_VARIABLE } from '../platform/process-environment.ts';
import { MACHINE_FOLDER_VARIABLE } from '../models/gpus/machine-gpus.ts';
import { DEFAULT_SERVE_HOST } from '../models/serving/serve-host.ts';

interface WorkerOption {
  readonly describe: string;
  /** Used if neither the option nor the variable is set. */
  readonly default?: string;
  readonly variable?: string;
}

/** The queue of the role `workflow`; the other roles' queues begin with it. */
export const TASK_QUEUE = {
  describe: 'The task queue of the run and of its workers.',
  default: DEFAULT_TASK_QUEUE,
  variable: 'SELF_TAUGHT_EVALUATOR_TASK_QUEUE',
} as const satisfies WorkerOption;

/** The artifact store: the same folder or bucket for all workers, shared if they are on several machines. */
export const STORE = {
  describe:
    'The folder or bucket (s3://BUCKET/PREFIX) with the artifacts of all runs, shared by all workers of a task queue.',
  default: 'runs',
  variable: 'SELF_TAUGHT_EVALUATOR_STORE',
} as const satisfies WorkerOption;

/** Says what a configuration may make a worker do. */
export const POLICY = {
  describe:
    "The file with the worker's policy (docs/security.md#the-workers-policy), or open: everything is allowed; or strict: only what every worker allows. By default a worker is strict, unless temporal or demo of this checkout has started its server.",
  variable: 'SELF_TAUGHT_EVALUATOR_POLICY',
} as const satisfies WorkerOption;

export const WORKER_OPTIONS = {
  roles: {
    describe: 'The roles of the worker, separated by commas: workflow, inference, gpu.',
    default: ROLES.join(','),
    variable: 'SELF_TAUGHT_EVALUATOR_ROLES',
  },
  'task-queue': TASK_QUEUE,
  store: STORE,
  'serve-host': {
    describe:
      'The address or name of this machine: model servers listen at it, and other machines reach them at it. By default only this machine reaches them.',
    default: DEFAULT_SERVE_HOST,
    variable: 'SELF_TAUGHT_EVALUATOR_SERVE_HOST',
  },
  policy: POLICY,
  'max-requests-in-flight': {
    describe: 'The maximum number of requests in flight to one endpoint; the limit adapts below it.',
    default: '256',
  },
  'min-requests-in-flight': {
    describe: 'The lower bound of that limit; the same value as --max-requests-in-flight keeps it fixed.',
    default: '1',
  },
  'request-timeout-seconds': { describe: 'The timeout of a request to a model.', default: '1800' },
  'shutdown-grace-seconds': {
    describe:
      'The time that a stopping worker waits for its activities, and a cancelled shard for the answers to requests that it has sent.',
    default: '10',
  },
  'on-shutdown': {
    describe:
      'leave: model servers and trainers keep running for the next worker; stop: they stop with the worker, a trainer after saving a checkpoint.',
    default: 'leave',
  },
  'machine-folder': {
    describe:
      "A folder on this machine's own disk, shared by its workers, that says which run has its GPUs; by default in the folder for temporary files.",
    variable: MACHINE_FOLDER_VARIABLE,
  },
  'pass-environment': {
    describe:
      'More variables that trainers and model servers get from the worker, by name or beginning, such as MY_SETTING,MY_*. Others than those of docs/operations.md are withheld.',
    variable: PASS_VARIABLE,
  },
  'deployment-name': {
    describe: 'The deployment of the worker, for worker versioning; needs --build-id.',
    variable: 'TEMPORAL_DEPLOYMENT_NAME',
  },
  'build-id': {
    describe: 'The build of the worker in its deployment; runs stay on the build on which they started.',
    variable: 'TEMPORAL_WORKER_BUILD_ID',
  },
  'failure-details': {
    describe:
      'on: failures and progress in Temporal quote endpoints, model servers and trainers, whose words may contain a prompt or a response; off: nothing that could be part of one; auto: on if temporal or demo of this checkout has started the server.',
    default: 'auto',
    variable: 'SELF_TAUGHT_EVALUATOR_FAILURE_DETAILS',
  },
  'log-level': {
    describe: 'The lowest level that is logged: trace, debug, info, warn or error.',
    default: 'info',
    variable: 'LOG_LEVEL',
  },
  'log-format': {
    describe: 'text, json, or auto: text on a terminal and JSON elsewhere.',
    default: 'auto',
    variable: 'LOG_FORMAT',
  },
  'metrics-address': {
    describe:
      'The port of /metrics for Prometheus on this machine, such as 9464, or an address for other machines, such as 0.0.0.0:9464; none by default.',
    variable: 'SELF_TAUGHT_EVALUATOR_METRICS_ADDRESS',
  },
  'health-address': {
    describe:
      'The port of /healthz and /readyz on this machine, such as 8080, or an address for other machines, such as 0.0.0.0:8080; none by default.',
    variable: 'SELF_TAUGHT_EVALUATOR_HEALTH_ADDRESS',
  },
} as const satisfies Readonly<Record<string, WorkerOption>>;

/** The values of the options, as text. */
export type WorkerOptionTexts = {
  readonly [Name in keyof typeof WORKER_OPTIONS]: (typeof WORKER_OPTIONS)[Name] extends { default: string }
    ? string
    : string | undefined;
};
