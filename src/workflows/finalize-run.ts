import { ActivityFailure, isCancellation } from '@temporalio/workflow';
import type { RunPlan } from '../api/activity-types.ts';
import type { Copied, Published, RunResult } from '../api/result.ts';
import { oneLine } from '../platform/shown-text.ts';
import { workflowActivities, pushActivities } from './activity-proxies.ts';

/** The time for which an unreachable bucket is tried again. */
const BUCKET_RETRY_HOURS = 6;

/**
 * Writes the run's result, then pushes its outputs to the hub and copies its work to a bucket if the configuration says so. A
 * failure of these does not fail the run: the result records the reason and a warning.
 */
export async function finalizeRun(plan: RunPlan, result: RunResult): Promise<RunResult> {
  await workflowActivities.writeRunResult.executeWithOptions({ summary: 'write the result' }, [result]);
  let current = result;
  if (plan.publish !== undefined) {
    const published = await pushToHub(plan, plan.publish, result);
    const warning = published.kind === 'failed' ? [`Not pushed to the hub: ${published.reason}`] : [];
    current = { ...current, published, warnings: [...current.warnings, ...warning] };
    await workflowActivities.writeRunResult.executeWithOptions({ summary: 'record what was pushed' }, [
      current,
    ]);
  }
  if (plan.publishTo !== undefined) {
    const copied = await copyToBucket(plan, plan.publishTo);
    const warning = copied.kind === 'failed' ? [`Not copied to ${copied.to}: ${copied.reason}`] : [];
    current = { ...current, copied, warnings: [...current.warnings, ...warning] };
    await workflowActivities.writeRunResult.executeWithOptions({ summary: 'record what was copied' }, [
      current,
    ]);
  }
  return current;
}

async function copyToBucket({ run }: RunPlan, to: string): Promise<Copied> {
  try {
    const { copyToBucket: copy } = pushActivities({ retryHours: BUCKET_RETRY_HOURS });
    const counts = await copy.executeWithOptions({ summary: oneLine(`copy to ${to}`) }, [{ run, to }]);
    return { kind: 'copied', to, ...counts };
  } catch (error) {
    return { kind: 'failed', to, reason: reasonOf(error) };
  }
}

async function pushToHub(
  { run }: RunPlan,
  publish: NonNullable<RunPlan['publish']>,
  { best, iterations }: RunResult,
): Promise<Published> {
  try {
    const repositories = await pushActivities(publish).pushOutputs.executeWithOptions(
      { summary: 'push the outputs to the hub' },
      [{ run, best, iterations: iterations.length - 1 }],
    );
    return { kind: 'pushed', repositories };
  } catch (error) {
    return { kind: 'failed', reason: reasonOf(error) };
  }
}

/** The reason of a failed activity. Anything else, such as a cancellation, is thrown. */
function reasonOf(error: unknown): string {
  if (!(error instanceof ActivityFailure) || isCancellation(error)) throw error;
  return error.cause?.message ?? error.message;
}
