/** The worker's log: JSON lines for machines, text for a terminal; it carries what is named here, and never a key. */
import { asyncLocalStorage } from '@temporalio/activity';
import type { Logger as SdkLogger, LogLevel as SdkLogLevel, LogMetadata } from '@temporalio/common';
import pino, { type Logger } from 'pino';

export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

export const LOG_FORMATS = ['auto', 'json', 'text'] as const;
export type LogFormat = (typeof LOG_FORMATS)[number];

export type WorkerLog = Logger;

export interface LogOptions {
  readonly level: LogLevel;
  readonly format: Exclude<LogFormat, 'auto'>;
  /** Values of variables that are named like keys are taken out of every line. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Takes a whole line with its end. */
  readonly write: (line: string) => void;
}

export function createLog({ level, format, environment, write }: LogOptions): WorkerLog {
  const secrets = secretsIn(environment);
  const shown = format === 'json' ? (line: string) => line : asText;
  return pino(
    {
      level,
      messageKey: 'message',
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    {
      write: (line) => write(shown(secrets.reduce((text, secret) => text.replaceAll(secret, '[key]'), line))),
    },
  );
}

/** Writes at once: no line is lost with the process. */
export function standardError(): LogOptions['write'] {
  const stream = pino.destination({ dest: 2, sync: true });
  return (line) => void stream.write(line);
}

/** Variables that hold keys, by the end of their names: `JUDGE_KEY`, `HF_TOKEN`, `OTEL_EXPORTER_OTLP_HEADERS`. */
const SECRET_NAME = /(^|_)(API_?KEY|KEY|TOKEN|SECRET|PASSWORD|CREDENTIALS?|AUTHORIZATION|HEADERS)$/i;

/** The secrets as they stand in a JSON text, longest first; a value of less than 8 characters is no key, and would blank out words. */
function secretsIn(environment: LogOptions['environment']): string[] {
  return Object.entries(environment)
    .flatMap(([name, value]) => (SECRET_NAME.test(name) && value !== undefined ? [value.trim()] : []))
    .filter((value) => value.length >= 8)
    .map((value) => JSON.stringify(value).slice(1, -1))
    .sort((a, b) => b.length - a.length);
}

/** `warn: message name="value": error's message`. */
function asText(line: string): string {
  const {
    level,
    time: _,
    pid: __,
    hostname: ___,
    message,
    error,
    ...attributes
  } = JSON.parse(line) as {
    [name: string]: unknown;
    error?: { message: string };
  };
  const about = Object.entries(attributes)
    .filter(([name]) => TEXT_ATTRIBUTES.has(name))
    .map(([name, value]) => `${name}=${JSON.stringify(value)}`);
  const parts = [`${String(level)}: ${String(message)}`, ...about, error?.message ?? ''];
  return `${parts.join(' ').trim()}\n`;
}

/** What a person wants to see on a terminal; the others stand in the JSON. */
const TEXT_ATTRIBUTES = new Set([
  ...['run', 'iteration', 'stage', 'benchmark', 'shard'],
  ...['workflowId', 'activityType', 'attempt', 'state'],
]);

/** Says something of the activity that is under way with its attributes, else of the worker. */
export function logOfActivity(log: WorkerLog, level: 'info' | 'warn' | 'error', message: string): void {
  const context = asyncLocalStorage.getStore();
  if (context === undefined) log[level](message);
  else context.log[level](message);
}

/** The log for the Temporal SDK: what it says of itself at INFO is detail to us; what workflows and activities say is not. */
export function sdkLogger(log: WorkerLog): SdkLogger {
  const write = (level: SdkLogLevel, message: string, meta: LogMetadata = {}): void => {
    if (EXPECTED.some((beginning) => message.startsWith(beginning))) return;
    const said = meta['sdkComponent'];
    const isOurs = said === 'workflow' || said === 'activity';
    const shown = level === 'INFO' && !isOurs ? 'debug' : (level.toLowerCase() as LogLevel);
    if (log.isLevelEnabled(shown)) log[shown](attributesOf(meta), message);
  };
  return {
    log: write,
    trace: (message, meta) => write('TRACE', message, meta),
    debug: (message, meta) => write('DEBUG', message, meta),
    info: (message, meta) => write('INFO', message, meta),
    warn: (message, meta) => write('WARN', message, meta),
    error: (message, meta) => write('ERROR', message, meta),
  };
}

/** How roles, bundles and activities are meant to be; the start of an activity is said with its shard (activity-scope.ts). */
const EXPECTED = [
  'No workflows registered',
  'Ignoring WorkerOptions.interceptors.workflowModules',
  'Activity started',
];

/** Plain values and what an error says: an object may hold headers, and with them a key. */
function attributesOf(meta: LogMetadata): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(meta).flatMap(([name, value]): [string, unknown][] => {
      if (value instanceof Error) return [[name, shownError(value)]];
      return ['string', 'number', 'boolean'].includes(typeof value) ? [[name, value]] : [];
    }),
  );
}

interface ShownError {
  readonly type: string;
  readonly message: string;
  readonly stack: string | undefined;
  readonly cause?: ShownError;
}

function shownError(error: Error, depth = 1): ShownError {
  const { name, message, stack, cause } = error;
  const isTold = cause instanceof Error && depth < 5;
  return { type: name, message, stack, ...(isTold ? { cause: shownError(cause, depth + 1) } : {}) };
}
