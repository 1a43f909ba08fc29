import type { Temporal } from './connect.ts';
import type { Found } from './find-run.ts';

/** What to say when the following ends and the run goes on: how to come back, to pause and to cancel. */
export function steering({ workflowId, type }: Found, { cliOptions }: Pick<Temporal, 'cliOptions'>): string {
  const id = shellWord(workflowId);
  const workflow = `--workflow-id ${id}${cliOptions}`;
  return [
    `The run ${workflowId} goes on.`,
    `  Come back:  npm run follow -- ${id}`,
    // An evaluation without training can't be paused.
    ...(type === 'selfTaughtEvaluator'
      ? [
          `  Pause it:   temporal workflow update execute ${workflow} --name pause`,
          `  Resume it:  temporal workflow update execute ${workflow} --name resume`,
        ]
      : []),
    `  Cancel it:  temporal workflow cancel ${workflow}`,
  ].join('\n');
}

function shellWord(text: string): string {
  return /^[\w./:@-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
