import { ApplicationFailure, Context } from '@temporalio/activity';
import { ApplicationFailureCategory } from '@temporalio/common';
import { FAILURES } from '../api/temporal-names.ts';
import { currentWorkflowId } from './current-workflow.ts';
import type { PinnedMachine } from '../api/activity-types.ts';
import type { Dependencies } from './dependencies.ts';

/** So many workers are asked before a run waits for a machine that another run uses. */
const MAX_REFUSALS = 4;

/**
 * Pins a run to this machine for serving and training: returns the task queue that only the workers of this machine
 * listen to. A machine whose GPUs another run uses refuses at first, so that a free one gets the run.
 */
export async function pinWorker(deps: Dependencies): Promise<PinnedMachine> {
  const [runName = ''] = currentWorkflowId().split('/');
  const use = await deps.gpus.usedByOthers(runName);
  if (use !== undefined && Context.current().info.attempt <= MAX_REFUSALS)
    throw ApplicationFailure.create({
      type: FAILURES.machineBusy,
      message: `the GPUs of ${deps.machineQueue} are in use: ${use}`,
      category: ApplicationFailureCategory.BENIGN,
      nextRetryDelay: '1 s',
    });
  return { queue: deps.machineQueue, gpus: deps.gpus.count };
}
