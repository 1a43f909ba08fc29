import { queueOf, type Role } from '../../src/worker-options.ts';
import type { Temporal } from '../follow/connect.ts';

/** A worker that has asked a task queue for work. */
export interface Poller {
  /** As a rule `pid@host`. */
  readonly identity: string;
  readonly secondsAgo: number;
}

/** The server remembers a poller for five minutes; a worker that is there asks again within about one. */
const FRESH_SECONDS = 100;

/** TaskQueueType of Temporal's API. */
const WORKFLOW = 1;
const ACTIVITY = 2;

/** The workers that listen for the work of a role on the queue; those that have gone in the last minute may be among them. */
export async function pollersOf(
  { client, namespace }: Pick<Temporal, 'client' | 'namespace'>,
  role: Role,
  taskQueue: string,
): Promise<Poller[]> {
  const { pollers } = await client.workflowService.describeTaskQueue({
    namespace,
    taskQueue: { name: queueOf(role, taskQueue) },
    taskQueueType: role === 'workflow' ? WORKFLOW : ACTIVITY,
  });
  return (pollers ?? [])
    .map(({ identity, lastAccessTime }) => ({
      identity: identity ?? 'a worker without a name',
      secondsAgo: Math.round(Date.now() / 1000 - Number(lastAccessTime?.seconds ?? 0)),
    }))
    .filter(({ secondsAgo }) => secondsAgo <= FRESH_SECONDS);
}
