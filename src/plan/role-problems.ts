import type { Client } from '@temporalio/client';
import type { Problem } from '../config/read-configuration.ts';
import type { Role } from '../worker-options.ts';

/** Kinds of a task queue, as the server numbers them. */
const WORKFLOW = 1;
const ACTIVITY = 2;

/** A worker asks for work at least this often; who has not asked since is gone. */
const LAST_ASKED_SECONDS = 90;

/** The roles that no worker has, on a run's task queue and those that begin with it. */
export async function roleProblems(client: Client, taskQueue: string): Promise<Problem[]> {
  const queues: readonly { readonly role: Role; readonly queue: string; readonly taskQueueType: number }[] = [
    { role: 'workflow', queue: taskQueue, taskQueueType: WORKFLOW },
    { role: 'inference', queue: `${taskQueue}-inference`, taskQueueType: ACTIVITY },
    { role: 'gpu', queue: `${taskQueue}-gpu`, taskQueueType: ACTIVITY },
  ];
  const { namespace } = client.options;
  const found = await Promise.all(
    queues.map(async ({ role, queue, taskQueueType }): Promise<Problem[]> => {
      const { pollers } = await client.workflowService.describeTaskQueue({
        namespace,
        taskQueue: { name: queue },
        taskQueueType,
      });
      const since = Date.now() / 1000 - LAST_ASKED_SECONDS;
      if (pollers.some(({ lastAccessTime }) => Number(lastAccessTime?.seconds ?? 0) > since)) return [];
      const message = `no worker with role ${role} on queue ${queue}: start one with "npm run worker -- --roles ${role}"`;
      return [{ path: `role ${role}`, message }];
    }),
  );
  return found.flat();
}
