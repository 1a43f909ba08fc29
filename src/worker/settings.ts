/** The settings of a worker process. */
import type { WorkerDeploymentVersion } from '@temporalio/common';
import type { ConcurrencyBounds } from '../models/inference/concurrency-limiter.ts';
import { type ListenAddress, parseListenAddress } from '../observability/listen-address.ts';
import { userTemporaryFolder } from '../platform/user.ts';
import { LOG_FORMATS, LOG_LEVELS, type LogFormat, type LogLevel } from '../observability/log.ts';
import { parseServeHost } from '../models/serving/serve-host.ts';
import { type GivenPolicy, readPolicy } from '../policy/read-policy.ts';
import { resolveStoreAddress } from '../store/drivers.ts';
import { PASS_VARIABLE, passedNames } from '../platform/process-environment.ts';
import { SettingError } from '../platform/setting-error.ts';
import { temporalSettings, type TemporalSettings } from '../temporal/settings.ts';
import { type Role, ROLES } from '../api/task-queues.ts';
import type { WorkerOptionTexts } from './options.ts';
import { parseWorkerVersion } from './versioning.ts';

export interface WorkerSettings {
  readonly roles: readonly Role[];
  /** The queue of the role `workflow`; the other roles' queues begin with it. */
  readonly taskQueue: string;
  /** The artifact store: the same folder or bucket for all workers, shared if they are on several machines. */
  readonly storeRoot: string;
  /** The interpreter that has the trainer's packages. */
  readonly python: string;
  /** The interpreter that has vLLM too, for trainings that sample by it; it need not exist. */
  readonly vllmPython?: string;
  /** The address at which the model servers of this machine listen, and at which other machines reach them. */
  readonly serveHost: string;
  /** The bounds of the adaptive limit on requests in flight to one endpoint. */
  readonly inFlight: ConcurrencyBounds;
  readonly requestTimeoutSeconds: number;
  /** Time that a stopping worker waits for its activities to end. */
  readonly shutdownGraceSeconds: number;
  /**
   * Whether model servers and trainers are kept running for the next worker when the worker stops, or stop with it (a
   * trainer with a checkpoint).
   */
  readonly onShutdown: 'leave' | 'stop';
  /** The folder with the leases of this machine's GPUs. */
  readonly machineFolder: string;
  /** The build of this worker; undefined without worker versioning. */
  readonly deploymentVersion: WorkerDeploymentVersion | undefined;
  /** Says whether failures and progress in Temporal may quote what endpoints, model servers and trainers say. */
  readonly failureDetails: 'on' | 'off' | 'auto';
  readonly logLevel: LogLevel;
  /** `auto`: text on a terminal, JSON elsewhere. */
  readonly logFormat: LogFormat;
  /** The address of `/metrics` for Prometheus; undefined if it is off. */
  readonly metricsAddress: ListenAddress | undefined;
  /** The address of `/healthz` and `/readyz`; undefined if they are off. */
  readonly healthAddress: ListenAddress | undefined;
  /** The policy that was given; undefined if the server decides. */
  readonly policy: GivenPolicy;
  readonly temporal: TemporalSettings;
  readonly environment: NodeJS.ProcessEnv;
}

/**
 * Reads the settings of a worker.
 * @param environment the variables that model servers, the trainer and the connection to Temporal may see
 * @throws SettingError that says how to correct an invalid option
 */
export function parseWorkerSettings(
  options: WorkerOptionTexts,
  python: string,
  environment: NodeJS.ProcessEnv,
): WorkerSettings {
  return {
    roles: rolesFrom(options.roles),
    taskQueue: options['task-queue'],
    storeRoot: resolveStoreAddress(options.store),
    python,
    serveHost: parseServeHost('--serve-host', options['serve-host']),
    inFlight: inFlightFrom(options['max-requests-in-flight'], options['min-requests-in-flight']),
    requestTimeoutSeconds: positive('--request-timeout-seconds', options['request-timeout-seconds']),
    shutdownGraceSeconds: positive('--shutdown-grace-seconds', options['shutdown-grace-seconds']),
    machineFolder: options['machine-folder'] || userTemporaryFolder(),
    onShutdown: oneOf('--on-shutdown', ['leave', 'stop'], options['on-shutdown']),
    deploymentVersion: parseWorkerVersion(options['deployment-name'] ?? '', options['build-id'] ?? ''),
    failureDetails: oneOf('--failure-details', ['on', 'off', 'auto'], options['failure-details']),
    logLevel: oneOf('--log-level (or LOG_LEVEL)', LOG_LEVELS, options['log-level'].toLowerCase()),
    logFormat: oneOf('--log-format (or LOG_FORMAT)', LOG_FORMATS, options['log-format']),
    metricsAddress: parseListenAddress('--metrics-address', options['metrics-address'] ?? ''),
    healthAddress: parseListenAddress('--health-address', options['health-address'] ?? ''),
    policy: readPolicy(options.policy ?? ''),
    temporal: temporalSettings(environment),
    environment: {
      ...environment,
      [PASS_VARIABLE]: passedNames(options['pass-environment'] ?? '', '--pass-environment').join(','),
    },
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

function inFlightFrom(maximumText: string, minimumText: string): ConcurrencyBounds {
  const maximum = wholeFrom1('--max-requests-in-flight', maximumText);
  const minimum = wholeFrom1('--min-requests-in-flight', minimumText);
  if (minimum <= maximum) return { minimum, maximum };
  throw new SettingError(
    `--min-requests-in-flight is ${minimum}, and must not be more than --max-requests-in-flight, which is ${maximum}`,
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
