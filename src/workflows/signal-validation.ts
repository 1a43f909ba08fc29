import type { ActivityWait, WaitsReport } from '../api/signals.ts';

/**
 * Returns whether a signal's argument has these numeric fields. Workers of other builds and users may send signals too, and a
 * handler that throws would stop the workflow: malformed signals are ignored.
 */
export function hasNumbers<Message extends object>(
  message: Message | null | undefined,
  ...fields: readonly (keyof Message)[]
): message is Message {
  return (
    typeof message === 'object' &&
    message !== null &&
    fields.every((field) => Number.isFinite(message[field]))
  );
}

/** Returns whether a value is a report of waits, as {@link WaitsReport} describes it. */
export function isWaitsReport(value: unknown): value is WaitsReport {
  const waits = (value as Partial<WaitsReport> | null | undefined)?.waits;
  return (
    Array.isArray(waits) &&
    waits.every((wait: Partial<ActivityWait> | null) =>
      [wait?.workflowId, wait?.activity, wait?.reason, wait?.since].every((text) => typeof text === 'string'),
    )
  );
}

/** Returns whether a value is an array of strings. */
export function isStringArray(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((text) => typeof text === 'string');
}
