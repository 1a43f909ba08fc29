import type { RunProgress } from '../../api/progress.ts';
import type { RunDetails } from '../../reporting/run-details.ts';
import type { RunRow } from '../../runs/run-list.ts';

/** Everything that `show` prints of a run. */
export interface DisplayedRun extends RunRow, Partial<RunDetails> {
  readonly workflowId?: string | undefined;
  /** The run's progress, if a worker answers and the run is open or not in the store. */
  readonly progress?: RunProgress | undefined;
  /** Why no worker answers for an open run, and what to do. */
  readonly unanswered?: string | undefined;
}
