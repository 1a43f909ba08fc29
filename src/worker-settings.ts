/** What a worker process is told from outside: its command line, else its environment. */
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import type { WorkerDeploymentVersion } from '@temporalio/common';
import type { InFlightBounds } from './inference/in-flight-limit.ts';
import { type Address, addressFrom } from './observability/address.ts';
import { LOG_FORMATS, LOG_LEVELS, type LogFormat, type LogLevel } from './observability/log.ts';
import { SettingError } from './setting-error.ts';
import { workerVersionFrom } from './worker-version.ts';

export const DEFAULT_TASK_QUEUE = 'self-taught-evaluator';

export const ROLES = ['workflow', 'inference', 'gpu'] as const;
export type Role = (typeof ROLES)[number];

export interface WorkerSettings {
  readonly roles: readonly Role[];
  /** The queue of the role `workflow`; the other roles' queues begin with it. */
  readonly taskQueue: string;
  /** The artifact store: the same folder for all workers, shared where they are on several machines. */
  readonly storeRoot: string;
  /** The interpreter that has the trainer's packages. */
  readonly python: string;
  /** Between them stays how many requests one endpoint has in flight at most. */
  readonly inFlight: InFlightBounds;
  readonly requestTimeoutSeconds: number;
  /** How long a stopping worker lets its activities end. */
  readonly shutdownGraceSeconds: number;
  /** What happens to model servers and trainers when the worker stops: they are left for the next worker, or stop with it, a trainer with a checkpoint. */
  readonly onShutdown: 'leave' | 'stop';
  /** Which build of the workers this is; undefined without worker versioning. */
  readonly version: WorkerDeploymentVersion | undefined;
  readonly logLevel: LogLevel;
  /** `auto`: text on a terminal, JSON elsewhere. */
  readonly logFormat: LogFormat;
  /** Where Prometheus finds `/metrics`; undefined without. */
  readonly metricsAddress: Address | undefined;
  /** Where `/healthz` and `/readyz` answer; undefined without. */
  readonly healthAddress: Address | undefined;
  readonly environment: NodeJS.ProcessEnv;
}

/**
 * The settings of a worker from its command line and environment.
 * @throws SettingError that says what to set where an option is wrong
 */
export function settingsFrom(
  argv: readonly string[],
  python: string,
  environment: NodeJS.ProcessEnv,
): WorkerSettings {
  const values = optionsFrom(argv, environment);
  return {
    roles: rolesFrom(values.roles),
    taskQueue: values['task-queue'],
    storeRoot: resolve(values.store),
    python,
    inFlight: inFlightFrom(values['requests-in-flight'], values['minimum-requests-in-flight']),
    requestTimeoutSeconds: positive('--request-timeout-seconds', values['request-timeout-seconds']),
    shutdownGraceSeconds: positive('--shutdown-grace-seconds', values['shutdown-grace-seconds']),
    onShutdown: oneOf('--on-shutdown', ['leave', 'stop'], values['on-shutdown']),
    version: workerVersionFrom(
      { deploymentName: values['deployment-name'], buildId: values['build-id'] },
      environment,
    ),
    logLevel: oneOf('--log-level (or LOG_LEVEL)', LOG_LEVELS, values['log-level'].toLowerCase()),
    logFormat: oneOf('--log-format (or LOG_FORMAT)', LOG_FORMATS, values['log-format']),
    metricsAddress: addressFrom('--metrics-address', values['metrics-address']),
    healthAddress: addressFrom('--health-address', values['health-address']),
    environment,
  };
}

/** What the command line gives, else the environment, as text. */
function optionsFrom(argv: readonly string[], environment: NodeJS.ProcessEnv) {
  try {
    return parseArgs({
      args: [...argv],
      options: {
        roles: { type: 'string', default: environment['SELF_TAUGHT_EVALUATOR_ROLES'] ?? ROLES.join(',') },
        'task-queue': {
          type: 'string',
          default: environment['SELF_TAUGHT_EVALUATOR_TASK_QUEUE'] ?? DEFAULT_TASK_QUEUE,
        },
        store: { type: 'string', default: environment['SELF_TAUGHT_EVALUATOR_STORE'] ?? 'runs' },
        'requests-in-flight': { type: 'string', default: '256' },
        'minimum-requests-in-flight': { type: 'string', default: '1' },
        'request-timeout-seconds': { type: 'string', default: '1800' },
        'shutdown-grace-seconds': { type: 'string', default: '10' },
        'on-shutdown': { type: 'string', default: 'leave' },
        'deployment-name': { type: 'string' },
        'build-id': { type: 'string' },
        'log-level': { type: 'string', default: environment['LOG_LEVEL'] ?? 'info' },
        'log-format': { type: 'string', default: environment['LOG_FORMAT'] ?? 'auto' },
        'metrics-address': {
          type: 'string',
          default: environment['SELF_TAUGHT_EVALUATOR_METRICS_ADDRESS'] ?? '',
        },
        'health-address': {
          type: 'string',
          default: environment['SELF_TAUGHT_EVALUATOR_HEALTH_ADDRESS'] ?? '',
        },
      },
    }).values;
  } catch (error) {
    // Its type would be shown with a stack, and its message says it all.
    throw new SettingError(error instanceof Error ? error.message : String(error));
  }
}

function rolesFrom(text: string): Role[] {
  const names = text.split(',').map((name) => name.trim());
  const unknown = names.filter((name) => !(ROLES as readonly string[]).includes(name));
  if (unknown.length > 0) {
    throw new SettingError(
      `--roles: unknown role ${unknown.map((name) => JSON.stringify(name)).join(', ')}; known: ${ROLES.join(', ')}`,
    );
  }
  return names as Role[];
}

function inFlightFrom(maximumText: string, minimumText: string): InFlightBounds {
  const maximum = wholeFrom1('--requests-in-flight', maximumText);
  const minimum = wholeFrom1('--minimum-requests-in-flight', minimumText);
  if (minimum <= maximum) return { minimum, maximum };
  throw new SettingError(
    `--minimum-requests-in-flight is ${minimum}, and must not be more than --requests-in-flight, which is ${maximum}`,
  );
}

function wholeFrom1(option: string, text: string): number {
  const value = Number(text);
  if (!(Number.isSafeInteger(value) && value > 0))
    throw new SettingError(`${option} is ${JSON.stringify(text)}, and must be a whole number of 1 or more`);
  return value;
}

function oneOf<const Value extends string>(option: string, allowed: readonly Value[], text: string): Value {
  const found = allowed.find((value) => value === text);
  if (found !== undefined) return found;
  const names = allowed.map((value) => JSON.stringify(value));
  throw new SettingError(
    `${option} is ${JSON.stringify(text)}, and must be ${names.slice(0, -1).join(', ')} or ${names.at(-1)}`,
  );
}

function positive(option: string, text: string): number {
  const value = Number(text);
  if (!(value > 0))
    throw new SettingError(`${option} is ${JSON.stringify(text)}, and must be a positive number`);
  return value;
}
