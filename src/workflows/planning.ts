import { FAILURES } from '../api/temporal-names.ts';
import { ActivityFailure, ApplicationFailure, isCancellation, TimeoutFailure } from '@temporalio/workflow';
import { workflowInfo } from '@temporalio/workflow';
import type { CheckedConfiguration } from '../activities/check-configuration.ts';
import type { JudgeEvaluationPlan, PairsJudgingPlan, PlanResult } from '../api/activity-types.ts';
import type { Problem } from '../platform/problem.ts';
import { formatProblems } from '../platform/format-problems.ts';
import { workflowActivities, preflightActivities } from './activity-proxies.ts';
import { PROGRAM_CALL } from '../platform/program.ts';

/**
 * Validates the configuration, lets every role check what only it can see, and claims the run. All problems are reported
 * together, before any work, as one failure that is not retried.
 */
export async function planRunOrFail(
  configuration: unknown,
): Promise<Exclude<PlanResult, { kind: 'rejected' }>> {
  const checked = await workflowActivities.checkConfiguration.executeWithOptions(
    { summary: 'check the configuration' },
    [configuration],
  );
  const { usable, storeProbe, conversations } = checked;
  const [inferenceProblems, gpuProblems] = await Promise.all([
    missingRoleProblems('inference', () =>
      preflightActivities
        .inference()
        .preflightInference.executeWithOptions({ summary: 'check the endpoints' }, [{ usable, storeProbe }]),
    ),
    missingRoleProblems('gpu', () =>
      preflightActivities
        .gpu()
        .preflightGpu.executeWithOptions({ summary: 'check checkpoints, servers and trainer' }, [
          { usable, storeProbe, conversations },
        ]),
    ),
  ]);
  const problems = [...checked.problems, ...inferenceProblems, ...gpuProblems];
  if (problems.length > 0) throw invalidConfiguration(problems);
  const { firstExecutionRunId: firstRunId } = workflowInfo();
  const result = await workflowActivities.planRun.executeWithOptions(
    { summary: 'claim the run and fix its configuration' },
    [{ configuration, firstRunId, storeProbe }],
  );
  if (result.kind === 'rejected') throw invalidConfiguration(result.problems);
  return result;
}

/** The same for an evaluation without training. A judge at an external endpoint needs no worker with the role `gpu`. */
export async function planJudgeEvaluationOrFail(
  configuration: unknown,
): Promise<Exclude<JudgeEvaluationPlan, { kind: 'rejected' }>> {
  const checked = await workflowActivities.checkJudgeEvaluation.executeWithOptions(
    { summary: 'check the configuration' },
    [configuration],
  );
  await rejectProblems(checked);
  const { firstExecutionRunId: firstRunId } = workflowInfo();
  const result = await workflowActivities.planJudgeEvaluation.executeWithOptions(
    { summary: 'claim the evaluation and fix its configuration' },
    [{ configuration, firstRunId, storeProbe: checked.storeProbe }],
  );
  if (result.kind === 'rejected') throw invalidConfiguration(result.problems);
  return result;
}

/** The same for the judging of a file of pairs. */
export async function planPairsJudgingOrFail(
  configuration: unknown,
): Promise<Exclude<PairsJudgingPlan, { kind: 'rejected' }>> {
  const checked = await workflowActivities.checkPairsJudging.executeWithOptions(
    { summary: 'check the configuration' },
    [configuration],
  );
  await rejectProblems(checked);
  const { firstExecutionRunId: firstRunId } = workflowInfo();
  const result = await workflowActivities.planPairsJudging.executeWithOptions(
    { summary: 'claim the judging and fix its configuration' },
    [{ configuration, firstRunId, storeProbe: checked.storeProbe }],
  );
  if (result.kind === 'rejected') throw invalidConfiguration(result.problems);
  return result;
}

/** @throws ApplicationFailure with all problems, those that the other roles find included */
async function rejectProblems({
  usable,
  needsMachine,
  storeProbe,
  problems: found,
}: CheckedConfiguration): Promise<void> {
  const [inferenceProblems, gpuProblems] = await Promise.all([
    missingRoleProblems('inference', () =>
      preflightActivities
        .inference()
        .preflightInference.executeWithOptions({ summary: 'check the endpoints' }, [{ usable, storeProbe }]),
    ),
    needsMachine
      ? missingRoleProblems('gpu', () =>
          preflightActivities
            .gpu()
            .preflightGpu.executeWithOptions({ summary: 'check checkpoints, servers and trainer' }, [
              { usable, storeProbe },
            ]),
        )
      : [],
  ]);
  // A run calls the judge its seed model.
  const problems = [...found, ...inferenceProblems, ...gpuProblems].map(({ path, message }) => ({
    path: path.replace(/^models\.seed(?=\.|$)/, 'model'),
    message,
  }));
  if (problems.length > 0) throw invalidConfiguration(problems);
}

/** The problems that a role finds; also that no worker has the role, or why the check itself failed. */
async function missingRoleProblems(
  role: 'inference' | 'gpu',
  check: () => Promise<readonly Problem[]>,
): Promise<readonly Problem[]> {
  try {
    return await check();
  } catch (error) {
    if (!(error instanceof ActivityFailure) || isCancellation(error)) throw error;
    const { cause } = error;
    const missing = cause instanceof TimeoutFailure && cause.timeoutType === 'SCHEDULE_TO_START';
    const message = missing
      ? `no worker with role ${role} on queue ${preflightActivities.queue(role)}: start one with "${PROGRAM_CALL} worker --roles ${role}"`
      : `the check failed: ${cause?.message ?? error.message}`;
    return [{ path: `role ${role}`, message }];
  }
}

/** One failure with all problems, which is not retried. */
export function invalidConfiguration(problems: readonly Problem[]): ApplicationFailure {
  return ApplicationFailure.create({
    type: FAILURES.invalidConfiguration,
    nonRetryable: true,
    message: formatProblems(problems),
    details: [problems],
  });
}

/** The run's name for progress before the configuration is validated; empty if it has none. */
export function runNameOf(configuration: unknown): string {
  const name = (configuration as { runName?: unknown } | null | undefined)?.runName;
  return typeof name === 'string' ? name : '';
}
