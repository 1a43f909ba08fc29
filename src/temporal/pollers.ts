import { taskQueueForRole, type Role } from '../api/task-queues.ts';
import type { Client } from '@temporalio/client';

/** A worker that polls a task queue. */
export interface Poller {
  /** Usually `pid@host`. */
  readonly identity: string;
  readonly secondsAgo: number;
}

/** The server remembers a poller for five minutes; a running worker polls again within about one. */
const FRESH_SECONDS = 100;

/** TaskQueueType of Temporal's API. */
const TASK_QUEUE_TYPES = { workflow: 1, activity: 2 } as const;

/**
 * Returns the workers that poll the queue for the work of a role. They may include workers that stopped within the
 * last minute.
 */
export function listPollers(client: Client, role: Role, taskQueue: string): Promise<Poller[]> {
  const type = role === 'workflow' ? 'workflow' : 'activity';
  return listQueuePollers(client, taskQueueForRole(role, taskQueue), type);
}

/** The same for a queue by its own name, and for tasks of one type. A worker with all its slots in use does not poll. */
export async function listQueuePollers(
  client: Client,
  queue: string,
  type: keyof typeof TASK_QUEUE_TYPES,
): Promise<Poller[]> {
  const { pollers } = await client.workflowService.describeTaskQueue({
    namespace: client.options.namespace,
    taskQueue: { name: queue },
    taskQueueType: TASK_QUEUE_TYPES[type],
  });
  return (pollers ?? [])
    .map(({ identity, lastAccessTime }) => ({
      identity: identity ?? 'a worker without a name',
      secondsAgo: Math.max(0, Math.round(Date.now() / 1000 - Number(lastAccessTime?.seconds ?? 0))),
    }))
    .filter(({ secondsAgo }) => secondsAgo <= FRESH_SECONDS);
}
