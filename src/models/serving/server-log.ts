/** The log of a model server: bounded in size, and its end in messages. */
import { quoteLog } from '../../platform/quotes.ts';
import { maskSecrets } from '../../platform/secrets.ts';
import { oneLine } from '../../platform/shown-text.ts';
import { appendFileSync, closeSync, copyFileSync, openSync, readSync, statSync, truncateSync } from 'node:fs';

/** A log above this size is moved to `.1`, and begins anew. */
const MAX_LOG_BYTES = 10_000_000;
/** The part of a log from which messages are made. */
const TAIL_BYTES = 65_536;
const LAST_LINES = 15;
const ERROR_LINES = 4;
/** Begins the line with which each start begins. */
const START_MARK = '=== ';

/** A line that names an error, such as `torch.OutOfMemoryError: CUDA out of memory` or `vllm: error: unrecognized arguments`. */
const ERROR_LINE = /\b(\w*(Error|Exception)|error|fatal|panic)\b: \S/;

/**
 * Bounds a log, also while its server writes to it: servers append, so that they go on at the new end. Lines that are
 * written between copy and cut are lost. Never throws: a server must not suffer from its log.
 */
export function boundLog(logFile: string): void {
  try {
    if (statSync(logFile).size <= MAX_LOG_BYTES) return;
    copyFileSync(logFile, `${logFile}.1`);
  } catch {
    // There is no log yet, or the disk is full: then the log is the first to make room.
  }
  try {
    if (statSync(logFile).size > MAX_LOG_BYTES) truncateSync(logFile);
  } catch {
    // The next look tries again.
  }
}

/** Begins the log of another start, so that messages about it don't quote earlier ones. */
export function beginLog(logFile: string, text: string): void {
  boundLog(logFile);
  appendFileSync(logFile, `${START_MARK}${new Date().toISOString()} ${text}\n`, { mode: 0o600 });
}

/** The end of a log for a message: its last lines, and the errors before them, because a long traceback may hide the cause. */
export function logEnd(logFile: string): string {
  const lines = linesOf(logFile);
  if (lines.length === 0) return '';
  const last = lines.slice(-LAST_LINES);
  const shown = new Set(last);
  const errors = lines.slice(0, -LAST_LINES).filter((line) => ERROR_LINE.test(line) && !shown.has(line));
  const before = [...new Set(errors)].slice(-ERROR_LINES);
  const errorLines = before.length === 0 ? '' : `\nErrors before them:\n${quoteLog(before.join('\n'))}`;
  return ` Its last lines:\n${quoteLog(last.join('\n'))}${errorLines}`;
}

/** The last line of a log since the last start; undefined if there is none. */
export function lastLogLine(logFile: string): string | undefined {
  const last = linesOf(logFile).at(-1);
  return last === undefined ? undefined : oneLine(maskSecrets(last));
}

function linesOf(logFile: string): string[] {
  try {
    const file = openSync(logFile, 'r');
    try {
      const { size } = statSync(logFile);
      const buffer = Buffer.alloc(Math.min(size, TAIL_BYTES));
      const length = readSync(file, buffer, 0, buffer.length, size - buffer.length);
      const text = buffer.toString('utf8', 0, length).trimEnd();
      const lines = text === '' ? [] : text.split('\n');
      return lines.slice(lines.findLastIndex((line) => line.startsWith(START_MARK)) + 1);
    } finally {
      closeSync(file);
    }
  } catch {
    return [];
  }
}
