import { ActivityFailure, isCancellation } from '@temporalio/workflow';
import type { Published, RunPlan, RunResult } from '../activities/types.ts';
import { light, publishing } from './proxies.ts';

/**
 * Writes the run's result, and only then pushes its outputs to the hub, where the configuration asks for it. A push that
 * fails costs the run nothing: the result then says so, with a warning.
 */
export async function finishRun(plan: RunPlan, result: RunResult): Promise<RunResult> {
  await light.finishRun.executeWithOptions({ summary: 'write the result' }, [result]);
  if (plan.publish === undefined) return result;
  const published = await push(plan, plan.publish, result);
  const warning = published.kind === 'failed' ? [`Not pushed to the hub: ${published.reason}`] : [];
  const whole = { ...result, published, warnings: [...result.warnings, ...warning] };
  await light.finishRun.executeWithOptions({ summary: 'write what was pushed' }, [whole]);
  return whole;
}

async function push(
  { run }: RunPlan,
  publish: NonNullable<RunPlan['publish']>,
  { best, iterations }: RunResult,
): Promise<Published> {
  try {
    const repositories = await publishing(publish).publishOutputs.executeWithOptions(
      { summary: 'push the outputs to the hub' },
      [{ run, best, iterations: iterations.length - 1 }],
    );
    return { kind: 'pushed', repositories };
  } catch (error) {
    if (!(error instanceof ActivityFailure) || isCancellation(error)) throw error;
    return { kind: 'failed', reason: error.cause?.message ?? error.message };
  }
}
