import { Context } from '@temporalio/activity';
import { InvalidInput } from '../platform/invalid-input.ts';

/** The execution of the workflow that an activity runs in. */
export function currentExecution(): { readonly workflowId: string; readonly runId: string } {
  const { workflowExecution } = Context.current().info;
  if (workflowExecution === undefined) throw new InvalidInput('this activity can only run in a workflow');
  return workflowExecution;
}

/** The id of the workflow that an activity runs in. */
export function currentWorkflowId(): string {
  return currentExecution().workflowId;
}
