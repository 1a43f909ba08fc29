import { Context } from '@temporalio/activity';
import { asFailure } from './failures.ts';

/** What a long activity is given. */
export interface Attempt {
  /** Aborts on cancel, pause, reset, a lost lease and worker shutdown. */
  readonly signal: AbortSignal;
  /** Progress for who looks; it goes out with the next heartbeat and is never needed to resume. */
  readonly report: (progress: unknown) => void;
}

/**
 * Runs an activity's work with heartbeats, three in each heartbeat time-out. When the attempt was cancelled, whatever
 * the work failed with on the way out, the failure is the cancellation: Temporal must see why it ended.
 */
export async function withHeartbeats<T>(work: (attempt: Attempt) => Promise<T>): Promise<T> {
  const context = Context.current();
  const { cancellationSignal: signal } = context;
  let progress: unknown;
  const milliseconds = Math.max(500, (context.info.heartbeatTimeoutMs ?? 30_000) / 3);
  const timer = setInterval(() => context.heartbeat(progress), milliseconds);
  context.heartbeat(progress);
  try {
    return await work({ signal, report: (latest) => (progress = latest) });
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    throw asFailure(error);
  } finally {
    clearInterval(timer);
  }
}
