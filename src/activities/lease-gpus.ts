import type { GpuLease, GpuUse } from '../models/gpus/machine-gpus.ts';
import { currentWorkflowId } from './current-workflow.ts';
import type { Dependencies } from './dependencies.ts';
import type { HeartbeatContext } from './heartbeats.ts';

/** Waits until this machine's GPUs belong to the run, and says in its progress which run has them. */
export async function leaseGpus(
  deps: Pick<Dependencies, 'gpus' | 'machine'>,
  use: Omit<GpuUse, 'owner'>,
  { signal, wait }: Pick<HeartbeatContext, 'signal' | 'wait'>,
): Promise<GpuLease> {
  const lease = await deps.gpus.acquire(
    { ...use, owner: currentWorkflowId() },
    {
      signal,
      onWait: (reason) =>
        wait(
          `It waits for GPU machine ${deps.machine}: ${reason}. Add a machine with a worker of the role gpu to have both at work.`,
        ),
    },
  );
  wait();
  return lease;
}
