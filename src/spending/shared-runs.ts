/**
 * Work of which many are in need at once. Who asks while it is under way gets the next run of it, together with all others:
 * one that begins after the question.
 */
export function sharedRuns<T>(work: () => Promise<T>): () => Promise<T> {
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
