/** An attempt exceeded its time limit. */
export class AttemptTimedOut extends Error {}

/**
 * Runs one attempt, until its body is read, with a limit in seconds. Throws `AttemptTimedOut` after that time, and the
 * signal's reason when the caller's signal aborts.
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
    if (timedOut) throw new AttemptTimedOut(`no complete answer within ${seconds} s`);
    throw error;
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', forward);
  }
}
