import type { Client } from '@temporalio/client';
import type { Problem } from '../platform/problem.ts';
import { ROLES, taskQueueForRole } from '../api/task-queues.ts';
import { listPollers } from './pollers.ts';
import { PROGRAM_CALL } from '../platform/program.ts';

/**
 * Returns the roles without a worker, on a run's task queue and on the other roles' queues, whose names begin with
 * it.
 */
export async function missingRoleProblems(client: Client, taskQueue: string): Promise<Problem[]> {
  const problems = await Promise.all(
    ROLES.map(async (role): Promise<Problem[]> => {
      const queue = taskQueueForRole(role, taskQueue);
      if ((await listPollers(client, role, taskQueue)).length > 0) return [];
      const message = `no worker with role ${role} on queue ${queue}: start one with "${PROGRAM_CALL} worker --roles ${role}"`;
      return [{ path: `role ${role}`, message }];
    }),
  );
  return problems.flat();
}
