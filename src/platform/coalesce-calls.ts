/**
 * Combines concurrent calls of `work`. A call that arrives during a run of it gets the result of the next run,
 * together with all others that arrived meanwhile. So every call gets a run that began after the call.
 */
export function coalesceCalls<T>(work: () => Promise<T>): () => Promise<T> {
  let underWay: Promise<unknown> = Promise.resolve();
  let next: Promise<T> | undefined;
  return () => {
    next ??= underWay.then(() => {
      next = undefined;
      const now = work();
      underWay = now.catch(() => undefined);
      return now;
    });
    return next;
  };
}
