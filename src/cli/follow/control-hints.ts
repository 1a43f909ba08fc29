import { PROGRAM_CALL } from '../../platform/program.ts';
import { shellQuote } from '../core/shell-quote.ts';
import type { ResolvedRun } from '../temporal/resolve-run.ts';

/** The message when following ends before the run: how to follow it again, pause it and cancel it. */
export function controlHints({ workflowId, kind }: ResolvedRun): string {
  const id = shellQuote(workflowId);
  return [
    `The run ${workflowId} continues.`,
    `  Follow it:  ${PROGRAM_CALL} follow ${id}`,
    // An evaluation without training can't be paused.
    ...(kind !== 'evaluation'
      ? [`  Pause it:   ${PROGRAM_CALL} pause ${id}`, `  Resume it:  ${PROGRAM_CALL} resume ${id}`]
      : []),
    `  Cancel it:  ${PROGRAM_CALL} cancel ${id}`,
  ].join('\n');
}
