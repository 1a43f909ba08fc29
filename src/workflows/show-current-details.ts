import { setCurrentDetails } from '@temporalio/workflow';
import { currentDetails } from './current-details.ts';
import type { ProgressTracker } from './progress-tracker.ts';

/** Shows the progress of the run in the Web UI; this is no event of its history. */
export function showCurrentDetails(tracker: ProgressTracker): void {
  setCurrentDetails(currentDetails(tracker.current, Date.now()));
}
