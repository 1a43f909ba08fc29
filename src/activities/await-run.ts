import { ApplicationFailure } from '@temporalio/activity';
import { WorkflowFailedError } from '@temporalio/client';
import { withHeartbeats } from './attempt.ts';
import type { Dependencies } from './dependencies.ts';

/** Waits for the workflow that owns a run which this one has joined, and ends as it does. */
export function awaitRun<Result>(
  deps: Dependencies,
  owner: { readonly workflowId: string; readonly runId: string },
): Promise<Result> {
  return withHeartbeats(async ({ signal }) => {
    const handle = deps.temporal.workflow.getHandle(owner.workflowId, owner.runId);
    const aborted = new Promise<never>((_resolve, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
    });
    try {
      return await Promise.race([handle.result() as Promise<Result>, aborted]);
    } catch (error) {
      if (!(error instanceof WorkflowFailedError)) throw error;
      const message = `the workflow ${owner.workflowId}, which owns this run, ended without a result`;
      throw ApplicationFailure.create({ type: 'OwnerFailed', nonRetryable: true, message, cause: error });
    }
  });
}
