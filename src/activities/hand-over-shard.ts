import { type Client, WorkflowNotFoundError } from '@temporalio/client';
import { Context } from '@temporalio/activity';
import { SIGNALS } from '../api/temporal-names.ts';
import { currentExecution } from './current-workflow.ts';
import type { ShardHandOver } from '../api/shard-hand-over.ts';

/** After this time the shard itself has probably ended. */
const DEADLINE_SECONDS = 10;

/**
 * Returns a function that asks the workflow of the current activity for the next shard. It signals this execution of the
 * workflow only: another one under its id has begun its shards itself. If it fails, the next shard begins when this one ends.
 */
export function shardHandOver(temporal: Client, handOver: ShardHandOver): () => Promise<void> {
  const { log } = Context.current();
  const execution = currentExecution();
  return async () => {
    try {
      const stage = temporal.workflow.getHandle(execution.workflowId, execution.runId);
      await temporal.withDeadline(Date.now() + 1000 * DEADLINE_SECONDS, () =>
        stage.signal(SIGNALS.shardHandedOver, handOver),
      );
    } catch (error) {
      if (!(error instanceof WorkflowNotFoundError))
        log.warn(
          `the next shard can't begin before this one has ended: ${error instanceof Error ? error.message : String(error)}`,
        );
      throw error;
    }
  };
}
