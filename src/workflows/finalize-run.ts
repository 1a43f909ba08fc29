import { ActivityFailure, isCancellation } from '@temporalio/workflow';
import type { RunPlan } from '../api/activity-types.ts';
import type { Published, RunResult } from '../api/result.ts';
import { workflowActivities, pushActivities } from './activity-proxies.ts';

/**
 * Writes the run's result, then pushes its outputs to the hub if the configuration says so. A failed push does not fail the
 * run: the result records the reason and a warning.
 */
export async function finalizeRun(plan: RunPlan, result: RunResult): Promise<RunResult> {
  await workflowActivities.writeRunResult.executeWithOptions({ summary: 'write the result' }, [result]);
  if (plan.publish === undefined) return result;
  const published = await pushToHub(plan, plan.publish, result);
  const warning = published.kind === 'failed' ? [`Not pushed to the hub: ${published.reason}`] : [];
  const withPublished = { ...result, published, warnings: [...result.warnings, ...warning] };
  await workflowActivities.writeRunResult.executeWithOptions({ summary: 'record what was pushed' }, [
    withPublished,
  ]);
  return withPublished;
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
    if (!(error instanceof ActivityFailure) || isCancellation(error)) throw error;
    return { kind: 'failed', reason: error.cause?.message ?? error.message };
  }
}
