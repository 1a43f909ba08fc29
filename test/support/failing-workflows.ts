/** Workflows with an error in their code, for a worker of a test. */
import { executeChild } from '@temporalio/workflow';

export function selfTaughtEvaluator(): Promise<void> {
  return Promise.reject(new TypeError('an error in the code of the workflow'));
}

export async function evaluateJudge(): Promise<void> {
  await executeChild('selfTaughtEvaluator', { workflowId: 'evaluation/child' });
}
