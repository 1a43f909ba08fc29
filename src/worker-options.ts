/**
 * The options of a worker: their names, what they mean, their defaults, and the environment variables that say the same.
 * The command line's help, docs/cli.md and the worker take them from here.
 */

export const DEFAULT_TASK_QUEUE = 'self-taught-evaluator';

export const ROLES = ['workflow', 'inference', 'gpu'] as const;
export type Role = (typeof ROLES)[number];

interface WorkerOption {
  readonly describe: string;
  /** Used where neither the option nor the variable says anything. */
  readonly default?: string;
  readonly variable?: string;
}

/** The queue of the role `workflow`; the other roles' queues begin with it. */
export const TASK_QUEUE = {
  describe: 'The task queue of the workers; a run is worked on by those of its queue.',
  default: DEFAULT_TASK_QUEUE,
  variable: 'SELF_TAUGHT_EVALUATOR_TASK_QUEUE',
} as const satisfies WorkerOption;

/** The artifact store: the same folder for all workers, shared where they are on several machines. */
export const STORE = {
  describe: 'The folder with the artifacts of all runs; all workers of a queue share it.',
  default: 'runs',
  variable: 'SELF_TAUGHT_EVALUATOR_STORE',
} as const satisfies WorkerOption;

export const WORKER_OPTIONS = {
  roles: {
    describe: 'What the worker does, separated by commas: workflow, inference, gpu.',
    default: ROLES.join(','),
    variable: 'SELF_TAUGHT_EVALUATOR_ROLES',
  },
  'task-queue': TASK_QUEUE,
  store: STORE,
  'requests-in-flight': {
    describe: 'The most requests in flight to one endpoint; the limit adapts below it.',
    default: '256',
  },
  'minimum-requests-in-flight': {
    describe: 'The least that the limit adapts to; as many as --requests-in-flight keep it fixed.',
    default: '1',
  },
  'request-timeout-seconds': { describe: 'How long a request to a model may take.', default: '1800' },
  'shutdown-grace-seconds': {
    describe: 'How long a worker that stops lets its activities end.',
    default: '10',
  },
  'on-shutdown': {
    describe:
      'leave: model servers and trainers are left for the next worker; stop: they stop with it, a trainer with a checkpoint.',
    default: 'leave',
  },
  'deployment-name': {
    describe: 'The deployment that the worker is a part of, for worker versioning; with --build-id.',
    variable: 'TEMPORAL_DEPLOYMENT_NAME',
  },
  'build-id': {
    describe: 'Which build of the deployment it is; runs stay on the build that they began on.',
    variable: 'TEMPORAL_WORKER_BUILD_ID',
  },
  'log-level': {
    describe: 'The least that is logged: trace, debug, info, warn or error.',
    default: 'info',
    variable: 'LOG_LEVEL',
  },
  'log-format': {
    describe: 'text, json, or auto: text on a terminal and JSON elsewhere.',
    default: 'auto',
    variable: 'LOG_FORMAT',
  },
  'metrics-address': {
    describe: 'Where Prometheus finds /metrics, such as 127.0.0.1:9464; nowhere by default.',
    variable: 'SELF_TAUGHT_EVALUATOR_METRICS_ADDRESS',
  },
  'health-address': {
    describe: 'Where /healthz and /readyz answer, such as 0.0.0.0:8080; nowhere by default.',
    variable: 'SELF_TAUGHT_EVALUATOR_HEALTH_ADDRESS',
  },
} as const satisfies Readonly<Record<string, WorkerOption>>;

/** What the options say, as text. */
export type WorkerOptions = {
  readonly [Name in keyof typeof WORKER_OPTIONS]: (typeof WORKER_OPTIONS)[Name] extends { default: string }
    ? string
    : string | undefined;
};

/** The task queue of a role. */
export function queueOf(role: Role, taskQueue: string): string {
  return role === 'workflow' ? taskQueue : `${taskQueue}-${role}`;
}
