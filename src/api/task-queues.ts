/** The roles of workers, and the task queue that each role listens to. */

export const DEFAULT_TASK_QUEUE = 'self-taught-evaluator';

export const ROLES = ['workflow', 'inference', 'gpu'] as const;
export type Role = (typeof ROLES)[number];

/** The task queue of a role. */
export function taskQueueForRole(role: Role, taskQueue: string): string {
  return role === 'workflow' ? taskQueue : `${taskQueue}-${role}`;
}

/** The task queue of the workers with the role `gpu` of one machine. */
export function machineTaskQueue(machine: string, taskQueue: string): string {
  return `${taskQueueForRole('gpu', taskQueue)}-${machine}`;
}

/**
 * The task queue of the shards of the models that a machine serves. The machine's own workers with the role `inference`
 * listen to it, and those of other machines while they reach the models.
 */
export function servedTaskQueue(machine: string, taskQueue: string): string {
  return `${taskQueueForRole('inference', taskQueue)}-${machine}`;
}
