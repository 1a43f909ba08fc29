import { setImmediate as macrotask } from 'node:timers/promises';

/** Number of rows between two calls of `yieldToEventLoop`. */
export const ROWS_PER_YIELD = 200;

/** Receives the progress of long work and can cancel it. */
export interface ProgressMonitor {
  readonly signal: AbortSignal;
  readonly onProgress: (progress: { readonly rows: number }) => void;
}

/** Lets the event loop run, so that heartbeats are sent and a cancellation arrives during work that only reads from memory. */
export async function yieldToEventLoop(
  { signal, onProgress }: ProgressMonitor,
  rows?: number,
): Promise<void> {
  signal.throwIfAborted();
  if (rows !== undefined) onProgress({ rows });
  await macrotask();
}
