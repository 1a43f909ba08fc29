/** The worker's log: JSON lines for machines, text for a terminal. Keys are removed from every line. */
import { asyncLocalStorage } from '@temporalio/activity';
import type { Logger as SdkLogger, LogLevel as SdkLogLevel, LogMetadata } from '@temporalio/common';
import pino, { type Logger } from 'pino';
import { addSecretsOf, maskSecretsInJson } from '../platform/secrets.ts';
import { escapeInJson, safeJson, safeLines } from '../platform/shown-text.ts';

export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

export const LOG_FORMATS = ['auto', 'json', 'text'] as const;
export type LogFormat = (typeof LOG_FORMATS)[number];

export type WorkerLog = Logger;

export interface LogOptions {
  readonly level: LogLevel;
  readonly format: Exclude<LogFormat, 'auto'>;
  /** The values of its variables that are named like keys are removed from every line, with all other secrets of the process. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Called with each line, which includes its line break. */
  readonly write: (line: string) => void;
}

export function createLog({ level, format, environment, write }: LogOptions): WorkerLog {
  addSecretsOf(environment);
  const shown = format === 'json' ? escapeInJson : formatTextLine;
  return pino(
    {
      level,
      messageKey: 'message',
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    {
      write: (line) => write(`${shown(maskSecretsInJson(line.trimEnd()))}\n`),
    },
  );
}

/** Writes synchronously, so that no line is lost when the process ends. */
export function standardErrorWriter(): LogOptions['write'] {
  const stream = pino.destination({ dest: 2, sync: true });
  return (line) => void stream.write(line);
}

/** `warn: message name="value": error's message`. Further lines of a message are indented, so that none looks like an entry of its own. */
function formatTextLine(line: string): string {
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
    .map(([name, value]) => `${name}=${safeJson(value)}`);
  const parts = [`${String(level)}: ${String(message)}`, ...about, error?.message ?? ''];
  return safeLines(parts.join(' ').trim()).replaceAll(/\n(?=\S)/g, '\n  ');
}

/** The attributes that the text format shows; JSON contains all. */
const TEXT_ATTRIBUTES = new Set([
  ...['run', 'iteration', 'stage', 'benchmark', 'shard'],
  ...['workflowId', 'activityType', 'attempt', 'state'],
]);

/** Logs with the attributes of the current activity, if there is one. */
export function logInActivity(log: WorkerLog, level: 'info' | 'warn' | 'error', message: string): void {
  const context = asyncLocalStorage.getStore();
  if (context === undefined) log[level](message);
  else context.log[level](message);
}

/** The logger of the Temporal SDK. The SDK's own messages at INFO are logged at debug; those of workflows and activities keep their level. */
export function temporalSdkLogger(log: WorkerLog): SdkLogger {
  const write = (level: SdkLogLevel, message: string, meta: LogMetadata = {}): void => {
    if (IGNORED_SDK_MESSAGES.some((beginning) => message.startsWith(beginning))) return;
    const component = meta['sdkComponent'];
    const isOurs = component === 'workflow' || component === 'activity';
    const shown = level === 'INFO' && !isOurs ? 'debug' : (level.toLowerCase() as LogLevel);
    if (log.isLevelEnabled(shown)) log[shown](plainAttributes(meta), message);
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

/** Messages about intended settings, and one that activity-scope.ts logs with the shard. */
const IGNORED_SDK_MESSAGES = [
  'No workflows registered',
  'Ignoring WorkerOptions.interceptors.workflowModules',
  'Activity started',
];

/** Keeps plain values and errors only: other objects may contain headers, and with them a key. */
function plainAttributes(meta: LogMetadata): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(meta).flatMap(([name, value]): [string, unknown][] => {
      if (value instanceof Error) return [[name, serializeError(value)]];
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

function serializeError(error: Error, depth = 1): ShownError {
  const { name, message, stack, cause } = error;
  const hasCause = cause instanceof Error && depth < 5;
  return { type: name, message, stack, ...(hasCause ? { cause: serializeError(cause, depth + 1) } : {}) };
}
