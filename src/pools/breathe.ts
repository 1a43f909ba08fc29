import { setImmediate as macrotask } from 'node:timers/promises';

/** Rows between two looks at the clock and the signal. */
export const ROWS_AT_ONCE = 200;

/** Who waits for the work, and may call it off. */
export interface Watched {
  readonly signal: AbortSignal;
  readonly onProgress: (progress: { readonly rows: number }) => void;
}

/** Lets heartbeats out and a cancellation in: reading from memory alone never gives the event loop a turn. */
export async function breathe({ signal, onProgress }: Watched, rows?: number): Promise<void> {
  signal.throwIfAborted();
  if (rows !== undefined) onProgress({ rows });
  await macrotask();
}
