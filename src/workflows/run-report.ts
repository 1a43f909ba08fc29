/** The report of a run, and its end: however it ends, its servers stop and its progress says how. */
import {
  ActivityFailure,
  CancellationScope,
  CancelledFailure,
  ContinueAsNew,
  isCancellation,
  log,
} from '@temporalio/workflow';
import type { RunPlan } from '../activities/types.ts';
import type { RunPhase } from '../contract/progress.ts';
import { failureWords } from './failed-with.ts';
import { light, lightTried } from './proxies.ts';
import type { ProgressTracker } from './run-progress.ts';
import type { RunStages } from './run-stages.ts';

/** What a report says of the run beside its progress. */
export interface Reported {
  readonly plan: RunPlan;
  /** As a file:// address. */
  readonly reportAddress: string;
  /** ISO 8601. */
  readonly startedAt: string;
}

/**
 * Writes the report as the run is now, and beside it where the run stands; returns where it is, relative to the store.
 * @param failure why it failed
 */
export async function writeReport(
  tracker: ProgressTracker,
  { plan, startedAt, reportAddress }: Reported,
  status: 'running' | 'paused' | 'completed' | 'failed' | 'cancelled',
  failure?: string,
  { writeReport: write } = light,
): Promise<string> {
  const { completed, best, warnings, budget } = tracker.current;
  const { report, damage } = await write.executeWithOptions({ summary: `write the report: ${status}` }, [
    {
      run: plan.run,
      status,
      startedAt,
      best,
      iterations: completed,
      warnings,
      ...(budget === undefined ? {} : { budget }),
      ...(failure === undefined ? {} : { failure }),
    },
  ]);
  tracker.update({ report: reportAddress });
  tracker.warn(damage);
  return report;
}

/** What ends a run early stands in its report. */
export async function closing<T>(
  tracker: ProgressTracker,
  reported: Reported,
  stages: RunStages,
  work: () => Promise<T>,
): Promise<T> {
  const end = (phase: RunPhase, error?: unknown): Promise<void> =>
    CancellationScope.nonCancellable(async () => {
      // From now on it can't be told anything that would be reported after its end.
      tracker.update({ phase });
      await stages.stopServing();
      await stages.settled();
      if (phase === 'cancelled') await reportIfPossible(tracker, reported, phase);
      if (phase === 'failed') await reportIfPossible(tracker, reported, phase, failureWords(error));
      tracker.update({ phase, paused: undefined, stages: [] });
      stages.show();
    });
  try {
    const result = await work();
    await end('completed');
    return result;
  } catch (error) {
    if (error instanceof ContinueAsNew) throw error;
    // An attempt that fails on its way out, for whatever reason, hides that the run was cancelled.
    const isCancelled = isCancellation(error) || CancellationScope.current().consideredCancelled;
    await end(isCancelled ? 'cancelled' : 'failed', error);
    throw isCancelled && !isCancellation(error) ? new CancelledFailure('the run was cancelled') : error;
  }
}

/** Why a run ends or waits is what must be seen, not that the report can't be written either: it is tried a few times. */
export async function reportIfPossible(
  tracker: ProgressTracker,
  reported: Reported,
  status: 'running' | 'paused' | 'failed' | 'cancelled',
  failure?: string,
): Promise<void> {
  try {
    await writeReport(tracker, reported, status, failure, lightTried);
  } catch (error) {
    if (!(error instanceof ActivityFailure)) throw error;
    log.warn('the report could not be written', { reason: error.cause?.message });
  }
}
