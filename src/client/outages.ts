import { setTimeout as sleep } from 'node:timers/promises';
import { type Client, isGrpcServiceError } from '@temporalio/client';

/** Options for waiting for a run. */
export interface WaitOptions {
  /** Ends the wait, which then throws the signal's reason. The run continues. */
  readonly signal?: AbortSignal | undefined;
  /** Seconds that the server may be unreachable at a time; 600 by default. */
  readonly outageSeconds?: number | undefined;
}

const OUTAGE_SECONDS = 600;
/** The interval between two polls of a run or of an unreachable server. */
const LOOK_MILLISECONDS = 1000;
/** A call that takes longer counts as unanswered. */
const ANSWER_MILLISECONDS = 15_000;

/**
 * The gRPC codes of a server that is temporarily unreachable: CANCELLED (the connection was closed), UNKNOWN,
 * DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED, ABORTED, INTERNAL, UNAVAILABLE, DATA_LOSS.
 */
const OUTAGE_CODES: readonly number[] = [1, 2, 4, 8, 10, 13, 14, 15];

function isOutage(error: unknown): boolean {
  for (let current = error; current instanceof Error; current = current.cause) {
    if (isGrpcServiceError(current)) return OUTAGE_CODES.includes(current.code);
  }
  return false;
}

/**
 * Calls the server, and repeats the call while the server is unreachable.
 * @throws errors that aren't an outage, the last error of an outage that lasts too long, or the signal's reason
 */
export async function retryDuringOutage<T>(
  ask: () => Promise<T>,
  { signal, outageSeconds = OUTAGE_SECONDS }: WaitOptions,
): Promise<T> {
  let outSince: number | undefined;
  for (;;) {
    signal?.throwIfAborted();
    const askedAt = performance.now();
    try {
      return await ask();
    } catch (error) {
      signal?.throwIfAborted();
      if (!isOutage(error)) throw error;
      const now = performance.now();
      // A call that took longer than this was a long poll that worked until now, so the outage begins now.
      if (outSince === undefined || now - askedAt > 2 * ANSWER_MILLISECONDS) outSince = now;
      if (now - outSince > outageSeconds * 1000) throw error;
    }
    await waitPollInterval(signal);
  }
}

/** Makes a call that fails after a deadline, and that the signal can abort. */
export function callWithDeadline<T>(
  client: Client,
  call: () => Promise<T>,
  signal: AbortSignal | undefined,
): Promise<T> {
  const deadline = Date.now() + ANSWER_MILLISECONDS;
  return callWithSignal(client, () => client.withDeadline(deadline, call), signal);
}

/** Makes a call without a deadline that the signal can abort. */
export function callWithSignal<T>(
  client: Client,
  call: () => Promise<T>,
  signal: AbortSignal | undefined,
): Promise<T> {
  return signal === undefined ? call() : client.withAbortSignal(signal, call);
}

/** @throws the signal's reason */
export async function waitPollInterval(signal: AbortSignal | undefined): Promise<void> {
  await sleep(LOOK_MILLISECONDS, undefined, { signal }).catch(() => undefined);
  signal?.throwIfAborted();
}
