/** The part of a worker process that shares the models of machines with other machines. */
import { Worker, type WorkerOptions } from '@temporalio/worker';
import type { Dependencies } from '../activities/dependencies.ts';
import { type Role, servedTaskQueue } from '../api/task-queues.ts';
import type { ServerLog } from '../models/serving/monitor-server.ts';
import { announceServedModels } from '../models/serving/served-models.ts';
import { type MachineWork, reachServedModels } from './reach-served-models.ts';
import { untilEnded } from './run-workers.ts';

export interface SharingOptions {
  readonly roles: readonly Role[];
  readonly taskQueue: string;
  readonly deps: Dependencies;
  readonly log: ServerLog;
  /** The options of a worker that takes shards from a queue. */
  readonly inferenceOptions: (queue: string) => WorkerOptions;
  readonly signal: AbortSignal;
}

/**
 * Announces the models that this machine serves, if the process has the role `gpu`, and works on those of other machines, if
 * it has the role `inference`. Resolves after the signal has aborted, when this work has ended.
 */
export async function shareServedModels(options: SharingOptions): Promise<void> {
  const { roles, taskQueue, deps, log, inferenceOptions, signal } = options;
  const { store, machine, servers } = deps;
  const startWork = async (otherMachine: string): Promise<MachineWork> => {
    const queue = servedTaskQueue(otherMachine, taskQueue);
    const worker = await Worker.create(inferenceOptions(queue));
    const ended = untilEnded(worker).catch((error: unknown) =>
      log('warn', `The worker of the queue ${queue} has failed: ${String(error)}`),
    );
    return { ended, stop: () => worker.getState() === 'RUNNING' && worker.shutdown() };
  };
  await Promise.all([
    roles.includes('gpu') &&
      announceServedModels(store.objects, machine, () => servers.servedModels(), log, signal),
    roles.includes('inference') &&
      reachServedModels({ objects: store.objects, machine, log, startWork }, signal),
  ]);
}
