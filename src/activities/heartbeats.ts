import { Context } from '@temporalio/activity';
import type { ActivityHeartbeat } from '../api/activity-types.ts';
import { maskSecrets } from '../platform/secrets.ts';
import { safeLines } from '../platform/shown-text.ts';
import { toTemporalFailure } from './temporal-failures.ts';

/** The tools that the work of a long activity receives. */
export interface HeartbeatContext {
  /** Aborts on cancel, pause, reset, a lost lease and worker shutdown. */
  readonly signal: AbortSignal;
  /** Sets the progress that the next heartbeat sends; it is never needed to resume. */
  readonly report: (progress: object) => void;
  /**
   * Says what the activity waits for, and what to do about it; without a reason, that it goes on. The run shows a wait of more
   * than some seconds wherever it shows its progress (docs/reliability.md).
   */
  readonly wait: (reason?: string) => void;
}

/** Returns whether the attempt ends because its run was cancelled or paused, so that nobody will go on with it soon. */
export function isStoppedByRun(): boolean {
  const details = Context.current().cancellationDetails;
  return details?.cancelRequested === true || details?.paused === true;
}

/**
 * Runs an activity's work with heartbeats, three in each heartbeat timeout. If the attempt was cancelled, it fails
 * with the cancellation instead of the error of the work, so that Temporal sees the reason.
 */
export async function withHeartbeats<T>(work: (attempt: HeartbeatContext) => Promise<T>): Promise<T> {
  const context = Context.current();
  const { cancellationSignal: signal } = context;
  let progress: object = {};
  let waiting: ActivityHeartbeat = {};
  let waitsFor: string | undefined;
  const beat = () => context.heartbeat({ ...progress, ...waiting });
  const wait = (reason?: string): void => {
    if (reason === waitsFor) return;
    waitsFor = reason;
    const since = waiting.wait?.since ?? new Date().toISOString();
    waiting = reason === undefined ? {} : { wait: { reason: safeLines(maskSecrets(reason)), since } };
    beat();
  };
  const milliseconds = Math.max(500, (context.info.heartbeatTimeoutMs ?? 30_000) / 3);
  const timer = setInterval(beat, milliseconds);
  beat();
  try {
    return await work({ signal, report: (latest) => (progress = latest), wait });
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    throw toTemporalFailure(error);
  } finally {
    clearInterval(timer);
  }
}
