/** One attempt took longer than it may. */
export class AttemptTimedOut extends Error {}

/**
 * Runs one attempt, its body read to the end, within `seconds`. Throws `AttemptTimedOut` after that, and the caller's
 * own reason when the caller's signal aborts.
 */
export async function withTimeout<T>(
  seconds: number,
  signal: AbortSignal | undefined,
  attempt: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  signal?.throwIfAborted();
  const bounded = new AbortController();
  const forward = (): void => bounded.abort();
  signal?.addEventListener('abort', forward, { once: true });
  let timedOut = false;
  const timer = setTimeout(() => {
    timedOut = true;
    bounded.abort();
  }, seconds * 1000);
  try {
    return await attempt(bounded.signal);
  } catch (error) {
    signal?.throwIfAborted();
    if (timedOut) throw new AttemptTimedOut(`no whole answer within ${seconds} s`);
    throw error;
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', forward);
  }
}
