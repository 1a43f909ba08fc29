import { setCurrentDetails } from '@temporalio/workflow';
import { runDetails } from './run-details.ts';
import type { ProgressTracker } from './run-progress.ts';

/** Shows where the run is in the Web UI; no event of its history. */
export function showDetails(tracker: ProgressTracker): void {
  setCurrentDetails(runDetails(tracker.current, Date.now()));
}
