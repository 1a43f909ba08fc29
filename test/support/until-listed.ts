import type { Client, WorkflowExecutionStatusName } from '@temporalio/client';
import { setTimeout as sleep } from 'node:timers/promises';

/** Waits until the server's list has the status of a workflow, which it learns of a little after the workflow's own end. */
export async function untilListed(
  client: Client,
  workflowId: string,
  status: WorkflowExecutionStatusName,
): Promise<void> {
  const query = `WorkflowId = "${workflowId}"`;
  for (;;) {
    const listed = await Array.fromAsync(client.workflow.list({ query }));
    if (listed.some((execution) => execution.status.name === status)) return;
    await sleep(50);
  }
}
