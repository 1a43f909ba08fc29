import { FAILURES } from '../api/temporal-names.ts';
import { ApplicationFailure } from '@temporalio/activity';
import { TerminatedFailure, WorkflowFailedError } from '@temporalio/client';
import { withHeartbeats } from './heartbeats.ts';
import { isWorkflowOpen } from '../runs/claim-run.ts';
import type { Dependencies } from './dependencies.ts';

/**
 * Waits for the workflow that owns the run, and ends as that workflow ends. It continues to wait if the owner is
 * reset, which terminates its Temporal run and starts a new one under the same workflow id.
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
        if (error.cause instanceof TerminatedFailure && (await isWorkflowOpen(deps.temporal, workflowId)))
          continue;
        const message = `the workflow ${workflowId}, which owns this run, ended without a result`;
        throw ApplicationFailure.create({
          type: FAILURES.ownerWorkflowFailed,
          nonRetryable: true,
          message,
          cause: error,
        });
      }
    }
  });
}
