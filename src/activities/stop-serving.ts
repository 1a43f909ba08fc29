import { currentWorkflowId } from './current-workflow.ts';
import type { Dependencies } from './dependencies.ts';
import { withHeartbeats } from './heartbeats.ts';

/** Stops the servers that this run has started on this machine. */
export function stopServing(deps: Dependencies): Promise<void> {
  return withHeartbeats(async () => {
    const owner = currentWorkflowId();
    await deps.servers.stopServing(owner);
    await deps.gpus.release(owner);
  });
}
