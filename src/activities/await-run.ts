import { ApplicationFailure } from '@temporalio/activity';
import { TerminatedFailure, WorkflowFailedError } from '@temporalio/client';
import { withHeartbeats } from './attempt.ts';
import { isOpen } from './claim-run.ts';
import type { Dependencies } from './dependencies.ts';

/**
 * Waits for the workflow that owns a run which this one has joined, and ends as it does; also over a reset of it, which
 * terminates the owner's run and begins it again under the same workflow id.
 */
export function awaitRun<Result>(
  deps: Dependencies,
  owner: { readonly workflowId: string; readonly runId: string },
): Promise<Result> {
  return withHeartbeats(async ({ signal }) => {
    const aborted = new Promise<never>((_resolve, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
    });
    aborted.catch(() => undefined);
    const { workflowId } = owner;
    for (let runId: string | undefined = owner.runId; ; runId = undefined) {
      const handle = deps.temporal.workflow.getHandle(workflowId, runId);
      try {
        return await Promise.race([handle.result() as Promise<Result>, aborted]);
      } catch (error) {
        if (!(error instanceof WorkflowFailedError)) throw error;
        if (error.cause instanceof TerminatedFailure && (await isOpen(deps.temporal, workflowId))) continue;
        const message = `the workflow ${workflowId}, which owns this run, ended without a result`;
        throw ApplicationFailure.create({ type: 'OwnerFailed', nonRetryable: true, message, cause: error });
      }
    }
  });
}
