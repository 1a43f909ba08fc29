/** What a worker process is told from outside. */
import { resolve } from 'node:path';
import type { WorkerDeploymentVersion } from '@temporalio/common';
import type { InFlightBounds } from './inference/in-flight-limit.ts';
import { type Address, addressFrom } from './observability/address.ts';
import { LOG_FORMATS, LOG_LEVELS, type LogFormat, type LogLevel } from './observability/log.ts';
import { SettingError } from './setting-error.ts';
import { temporalSettings, type TemporalSettings } from './temporal/settings.ts';
import { type Role, ROLES, type WorkerOptions } from './worker-options.ts';
import { workerVersionFrom } from './worker-version.ts';

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
  readonly temporal: TemporalSettings;
  readonly environment: NodeJS.ProcessEnv;
}

/**
 * The settings of a worker.
 * @param environment what model servers, the trainer and the connection to Temporal may see
 * @throws SettingError that says what to set where an option is wrong
 */
export function settingsFrom(
  options: WorkerOptions,
  python: string,
  environment: NodeJS.ProcessEnv,
): WorkerSettings {
  return {
    roles: rolesFrom(options.roles),
    taskQueue: options['task-queue'],
    storeRoot: resolve(options.store),
    python,
    inFlight: inFlightFrom(options['requests-in-flight'], options['minimum-requests-in-flight']),
    requestTimeoutSeconds: positive('--request-timeout-seconds', options['request-timeout-seconds']),
    shutdownGraceSeconds: positive('--shutdown-grace-seconds', options['shutdown-grace-seconds']),
    onShutdown: oneOf('--on-shutdown', ['leave', 'stop'], options['on-shutdown']),
    version: workerVersionFrom(options['deployment-name'] ?? '', options['build-id'] ?? ''),
    logLevel: oneOf('--log-level (or LOG_LEVEL)', LOG_LEVELS, options['log-level'].toLowerCase()),
    logFormat: oneOf('--log-format (or LOG_FORMAT)', LOG_FORMATS, options['log-format']),
    metricsAddress: addressFrom('--metrics-address', options['metrics-address'] ?? ''),
    healthAddress: addressFrom('--health-address', options['health-address'] ?? ''),
    temporal: temporalSettings(environment),
    environment,
  };
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
