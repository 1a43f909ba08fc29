/** How long to wait before the next attempt. */
import { setTimeout as sleep } from 'node:timers/promises';

export interface RetryPolicy {
  /** How often a request is sent at most, the first time included. */
  attempts: number;
  /** Upper bound of the first wait, in seconds; it doubles with every further one. */
  initialSeconds: number;
  /** Upper bound of any wait that the endpoint didn't ask for, in seconds. */
  maximumSeconds: number;
}

/** Waits; ends early, by throwing its reason, when the signal aborts. */
export type Wait = (seconds: number, signal?: AbortSignal) => Promise<void>;

export const waitInRealTime: Wait = async (seconds, signal) => {
  await sleep(seconds * 1000, undefined, signal === undefined ? {} : { signal }).catch((error: unknown) => {
    signal?.throwIfAborted();
    throw error;
  });
};

/**
 * Seconds before attempt `attempt + 1`, when attempt number `attempt` (from 1) has failed.
 * Exponential with "equal jitter" (half fixed, half random), so that requests that failed together don't come back
 * together. Where the endpoint named a time, that is the least, and the jitter comes on top.
 */
export function secondsBeforeRetry(
  policy: RetryPolicy,
  attempt: number,
  retryAfterSeconds: number | undefined,
  random: () => number,
): number {
  const bound = Math.min(policy.maximumSeconds, policy.initialSeconds * 2 ** (attempt - 1));
  return retryAfterSeconds === undefined
    ? bound * (0.5 + random() / 2)
    : retryAfterSeconds + bound * random();
}
