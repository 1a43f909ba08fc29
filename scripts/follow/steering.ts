import { CALL } from '../cli/program.ts';
import type { Found } from './find-run.ts';

/** What to say when the following ends and the run goes on: how to come back, to pause and to cancel. */
export function steering({ workflowId, kind }: Found): string {
  const id = shellWord(workflowId);
  return [
    `The run ${workflowId} goes on.`,
    `  Come back:  ${CALL} follow ${id}`,
    // An evaluation without training can't be paused.
    ...(kind !== 'evaluation'
      ? [`  Pause it:   ${CALL} pause ${id}`, `  Resume it:  ${CALL} resume ${id}`]
      : []),
    `  Cancel it:  ${CALL} cancel ${id}`,
  ].join('\n');
}

/** As it stands in a shell command. */
export function shellWord(text: string): string {
  return /^[\w./:@-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
