import { setTimeout as sleep } from 'node:timers/promises';
import { type Client, isGrpcServiceError } from '@temporalio/client';

/** How long to wait for a run, and through what. */
export interface WaitOptions {
  /** Ends the waiting: it throws the signal's reason. The run goes on. */
  readonly signal?: AbortSignal | undefined;
  /** How long the server may be out of reach at a time; 600 by default. */
  readonly outageSeconds?: number | undefined;
}

const OUTAGE_SECONDS = 600;
/** Between two looks at a run, or at a server that is out of reach. */
const LOOK_MILLISECONDS = 1000;
/** What is asked and takes longer has no answer. */
const ANSWER_MILLISECONDS = 15_000;

/**
 * The gRPC codes of a server that is not there now: CANCELLED (the connection went), UNKNOWN, DEADLINE_EXCEEDED,
 * RESOURCE_EXHAUSTED, ABORTED, INTERNAL, UNAVAILABLE, DATA_LOSS.
 */
const OUTAGE_CODES: readonly number[] = [1, 2, 4, 8, 10, 13, 14, 15];

function isOutage(error: unknown): boolean {
  for (let current = error; current instanceof Error; current = current.cause) {
    if (isGrpcServiceError(current)) return OUTAGE_CODES.includes(current.code);
  }
  return false;
}

/**
 * Asks the server, again and again while it is out of reach.
 * @throws what isn't an outage, the last error of an outage that lasts too long, or the signal's reason
 */
export async function throughOutages<T>(
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
      // What was waited for longer than for any answer was under way until now.
      if (outSince === undefined || now - askedAt > 2 * ANSWER_MILLISECONDS) outSince = now;
      if (now - outSince > outageSeconds * 1000) throw error;
    }
    await untilNextLook(signal);
  }
}

/** A call that has its answer soon or fails, and that the signal ends. */
export function answered<T>(
  client: Client,
  call: () => Promise<T>,
  signal: AbortSignal | undefined,
): Promise<T> {
  const deadline = Date.now() + ANSWER_MILLISECONDS;
  return abortable(client, () => client.withDeadline(deadline, call), signal);
}

/** A call that takes as long as it takes, and that the signal ends. */
export function abortable<T>(
  client: Client,
  call: () => Promise<T>,
  signal: AbortSignal | undefined,
): Promise<T> {
  return signal === undefined ? call() : client.withAbortSignal(signal, call);
}

/** @throws the signal's reason */
export async function untilNextLook(signal: AbortSignal | undefined): Promise<void> {
  await sleep(LOOK_MILLISECONDS, undefined, { signal }).catch(() => undefined);
  signal?.throwIfAborted();
}
