/** Computes the delay before the next attempt. */
import { setTimeout as sleep } from 'node:timers/promises';

export interface RetryPolicy {
  /** The largest number of attempts, including the first one. */
  attempts: number;
  /** Upper bound of the first delay, in seconds; it doubles with each attempt. */
  initialSeconds: number;
  /** Upper bound of all delays, in seconds, except those that the endpoint requested (Retry-After). */
  maximumSeconds: number;
}

/** Waits. Throws the signal's reason when the signal aborts. */
export type WaitFunction = (seconds: number, signal?: AbortSignal) => Promise<void>;

export const realWait: WaitFunction = async (seconds, signal) => {
  await sleep(seconds * 1000, undefined, signal === undefined ? {} : { signal }).catch((error: unknown) => {
    signal?.throwIfAborted();
    throw error;
  });
};

/**
 * Returns the seconds between attempt number `attempt` (from 1), which failed, and the next one. The delay is
 * exponential with "equal jitter" (half fixed, half random), so that requests that failed together are not repeated
 * together. If the endpoint requested a delay, the jitter is added to that delay.
 */
export function retryDelaySeconds(
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
