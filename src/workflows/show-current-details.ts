import { setCurrentDetails } from '@temporalio/workflow';
import { safeLines } from '../platform/shown-text.ts';
import { currentDetails } from './current-details.ts';
import type { ProgressTracker } from './progress-tracker.ts';

/** Shows the progress of the run in the Web UI; this is no event of its history. */
export function showCurrentDetails(tracker: ProgressTracker): void {
  setCurrentDetails(safeLines(currentDetails(tracker.current, Date.now())));
}
