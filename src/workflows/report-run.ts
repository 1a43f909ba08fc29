import { ActivityFailure, log } from '@temporalio/workflow';
import type { RunPlan } from '../activities/types.ts';
import { light } from './proxies.ts';
import type { ProgressTracker } from './run-progress.ts';

/** What a report needs to know of a run beside its progress. */
interface ReportedRun {
  readonly plan: RunPlan;
  /** ISO 8601. */
  readonly startedAt: string;
  /** As a file:// address. */
  readonly reportAddress: string;
}

/** Writes the report, and beside it where the run stands. Returns where it is, relative to the store. */
export async function writeReport(
  tracker: ProgressTracker,
  { plan, startedAt, reportAddress }: ReportedRun,
  status: 'running' | 'completed' | 'failed' | 'cancelled',
  failure?: string,
): Promise<string> {
  const { completed, best, warnings } = tracker.current;
  const { report, damage } = await light.writeReport.executeWithOptions(
    { summary: `write the report: ${status}` },
    [
      {
        ...{ run: plan.run, status, startedAt, best, iterations: completed, warnings },
        ...(failure === undefined ? {} : { failure }),
      },
    ],
  );
  tracker.update({ report: reportAddress, warnings: [...new Set([...warnings, ...damage])] });
  return report;
}

/** The report of a run that ends early. Why it ends is what must be seen, not that the report can't be written either. */
export async function reportEnd(
  tracker: ProgressTracker,
  run: ReportedRun,
  status: 'failed' | 'cancelled',
  failure?: string,
): Promise<void> {
  try {
    await writeReport(tracker, run, status, failure);
  } catch (error) {
    if (!(error instanceof ActivityFailure)) throw error;
    log.warn('the report could not be written', { reason: error.cause?.message });
  }
}
