/** The report of a run, and its end: its servers are stopped and its progress shows how it ended. */
import {
  ActivityFailure,
  CancellationScope,
  CancelledFailure,
  ContinueAsNew,
  isCancellation,
  log,
} from '@temporalio/workflow';
import type { RunPlan } from '../api/activity-types.ts';
import type { EndStatus, ReportedStatus } from '../api/run-status.ts';
import { failureCauses } from './failure-causes.ts';
import { workflowActivities, limitedRetryActivities } from './activity-proxies.ts';
import type { ProgressTracker } from './progress-tracker.ts';
import type { RunStages } from './run-stages.ts';

/** The data of the run that a report needs beside its progress. */
export interface ReportContext {
  readonly plan: RunPlan;
  /** As a file:// address. */
  readonly reportUrl: string;
  /** ISO 8601. */
  readonly startedAt: string;
}

/**
 * Writes the report of the run and its `state.json`; returns the report's path, relative to the store.
 * @param failure why the run failed
 */
export async function writeRunReport(
  tracker: ProgressTracker,
  { plan, startedAt, reportUrl }: ReportContext,
  status: ReportedStatus,
  failure?: string,
  { writeReport: write } = workflowActivities,
): Promise<string> {
  const { completedIterations: completed, best, warnings, budget } = tracker.current;
  const machines = tracker.machineTimes();
  const { report, damage } = await write.executeWithOptions({ summary: `write the report: ${status}` }, [
    {
      run: plan.run,
      status,
      startedAt,
      best,
      iterations: completed,
      warnings,
      ...(budget === undefined ? {} : { budget }),
      ...(tracker.allWaits.length === 0 ? {} : { waits: tracker.allWaits }),
      ...(machines.length === 0 ? {} : { machines }),
      ...(failure === undefined ? {} : { failure }),
    },
  ]);
  tracker.update({ report: reportUrl });
  tracker.addWarnings(damage);
  return report;
}

/** Runs the stages of a run; at its end, stops its servers and writes how it ended into progress and report. */
export async function withFinalization<T>(
  tracker: ProgressTracker,
  context: ReportContext,
  stages: RunStages,
  work: () => Promise<T>,
): Promise<T> {
  const end = (status: EndStatus, error?: unknown): Promise<void> =>
    CancellationScope.nonCancellable(async () => {
      // From now on updates are rejected, so that nothing is reported after the end.
      tracker.update({ status });
      await stages.stopServing();
      await stages.drained();
      if (status === 'cancelled') await tryWriteReport(tracker, context, status);
      if (status === 'failed') await tryWriteReport(tracker, context, status, failureCauses(error));
      tracker.update({ status, paused: undefined, stages: [], waits: undefined });
      stages.publishStatus();
    });
  try {
    const result = await work();
    await end('completed');
    return result;
  } catch (error) {
    if (error instanceof ContinueAsNew) throw error;
    // An activity that fails while it is being cancelled hides that the run was cancelled.
    const isCancelled = isCancellation(error) || CancellationScope.current().consideredCancelled;
    await end(isCancelled ? 'cancelled' : 'failed', error);
    throw isCancelled && !isCancellation(error) ? new CancelledFailure('the run was cancelled') : error;
  }
}

/** Writes the report with few attempts: a failure to write it must not hide why the run ends or waits. */
export async function tryWriteReport(
  tracker: ProgressTracker,
  context: ReportContext,
  status: Exclude<ReportedStatus, 'completed'>,
  failure?: string,
): Promise<void> {
  try {
    await writeRunReport(tracker, context, status, failure, limitedRetryActivities);
  } catch (error) {
    if (!(error instanceof ActivityFailure)) throw error;
    log.warn('the report could not be written', { reason: error.cause?.message });
  }
}
