/** Says in plain words that nobody takes work from a task queue. */
import type { Client } from '@temporalio/client';
import { PROGRAM_CALL } from '../platform/program.ts';
import { DEFAULT_TASK_QUEUE, ROLES, taskQueueForRole, type Role } from '../api/task-queues.ts';
import { FAILING_WORKFLOW, keyProblem } from './pending-activities.ts';
import { listQueuePollers, type Poller } from './pollers.ts';

/** Why nobody takes an activity from one of the queues of a task queue, and what to do. */
export async function untakenReason(client: Client, queue: string, taskQueue: string): Promise<string> {
  const { role, machine } = roleOfQueue(queue, taskQueue);
  const pollers = await listQueuePollers(client, queue, 'activity');
  const onMachine = machine === undefined ? '' : ` on the machine ${machine}`;
  const start = `start one${onMachine} with ${startCommand(role, taskQueue)}`;
  const whoElse =
    machine === undefined || role !== 'gpu'
      ? ''
      : '; after timeouts.workerWaitSeconds the run takes another machine';
  if (pollers.length === 0)
    return `no worker with role ${role} takes work from the queue ${queue}${onMachine}: ${start}, or wait if all are busy${whoElse}`;
  return `no worker with role ${role} has taken the work from the queue ${queue}${onMachine}: ${busyText(pollers)}; ${start}${whoElse}`;
}

/** Why no worker answers for a workflow or continues it, and what to do. */
export async function unansweredReason(client: Client, workflowId: string): Promise<string> {
  const { taskQueue, raw } = await client.workflow.getHandle(workflowId).describe();
  const pollers = await listQueuePollers(client, taskQueue, 'workflow');
  const start = `start one with ${startCommand('workflow', taskQueue)}`;
  if (pollers.length === 0)
    return `no worker with role workflow takes work from the queue ${taskQueue}: ${start}`;
  const attempt = raw.pendingWorkflowTask?.attempt ?? 1;
  const problem = attempt >= 2 ? await keyProblem(client, workflowId) : undefined;
  if (problem !== undefined) return problem;
  if (attempt >= 3) return FAILING_WORKFLOW;
  return `${busyText(pollers)}; ${start}`;
}

function busyText(pollers: readonly Poller[]): string {
  const names = pollers.map(({ identity, secondsAgo }) => `${identity}, last seen ${secondsAgo} s ago`);
  return `its workers are busy or have just stopped (${names.join('; ')})`;
}

/** The command that starts a worker with a role. */
function startCommand(role: Role, taskQueue: string): string {
  const queue = taskQueue === DEFAULT_TASK_QUEUE ? '' : ` --task-queue ${taskQueue}`;
  return `"${PROGRAM_CALL} worker --roles ${role}${queue}"`;
}

/** The role that listens to a queue, and the machine if only one machine does, or those that reach its models. */
function roleOfQueue(queue: string, taskQueue: string): { role: Role; machine?: string } {
  const role = ROLES.find((each) => taskQueueForRole(each, taskQueue) === queue);
  if (role !== undefined) return { role };
  const ofMachine = (name: 'inference' | 'gpu') => `${taskQueueForRole(name, taskQueue)}-`;
  const machineRole = queue.startsWith(ofMachine('inference')) ? 'inference' : 'gpu';
  return { role: machineRole, machine: queue.slice(ofMachine(machineRole).length) };
}
