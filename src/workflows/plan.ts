import { ActivityFailure, ApplicationFailure, TimeoutFailure } from '@temporalio/workflow';
import { workflowInfo } from '@temporalio/workflow';
import type { CheckedConfiguration } from '../activities/check-configuration.ts';
import type { JudgeEvaluationPlan, PairsJudgingPlan, PlanResult } from '../activities/types.ts';
import type { Problem } from '../config/read-configuration.ts';
import { problemsText } from '../format/problems.ts';
import { light, preflight } from './proxies.ts';

/**
 * Validates the configuration, asks every role to check what only it can see, and claims the run. Everything that is
 * wrong is reported at once, before any work, as one failure that isn't retried.
 */
export async function planOrRefuse(
  configuration: unknown,
): Promise<Exclude<PlanResult, { kind: 'refused' }>> {
  const checked = await light.checkConfiguration.executeWithOptions({ summary: 'check the configuration' }, [
    configuration,
  ]);
  const { usable, marker } = checked;
  const [inferenceProblems, gpuProblems] = await Promise.all([
    findings('inference', () =>
      preflight
        .inference()
        .preflightInference.executeWithOptions({ summary: 'check the endpoints' }, [{ usable, marker }]),
    ),
    findings('gpu', () =>
      preflight
        .gpu()
        .preflightGpu.executeWithOptions({ summary: 'check checkpoints, servers and trainer' }, [
          { usable, marker },
        ]),
    ),
  ]);
  const problems = [...checked.problems, ...inferenceProblems, ...gpuProblems];
  if (problems.length > 0) throw refusal(problems);
  const { firstExecutionRunId: firstRunId } = workflowInfo();
  const result = await light.planRun.executeWithOptions(
    { summary: 'claim the run and fix its configuration' },
    [{ configuration, firstRunId, marker }],
  );
  if (result.kind === 'refused') throw refusal(result.problems);
  return result;
}

/**
 * The same for an evaluation without training. Where somebody else serves the judge, no worker with the role gpu is
 * needed.
 */
export async function evaluationPlanOrRefuse(
  configuration: unknown,
): Promise<Exclude<JudgeEvaluationPlan, { kind: 'refused' }>> {
  const checked = await light.checkJudgeEvaluation.executeWithOptions(
    { summary: 'check the configuration' },
    [configuration],
  );
  await refuseProblems(checked);
  const { firstExecutionRunId: firstRunId } = workflowInfo();
  const result = await light.planJudgeEvaluation.executeWithOptions(
    { summary: 'claim the evaluation and fix its configuration' },
    [{ configuration, firstRunId, marker: checked.marker }],
  );
  if (result.kind === 'refused') throw refusal(result.problems);
  return result;
}

/** The same for the judging of a file. */
export async function pairsJudgingPlanOrRefuse(
  configuration: unknown,
): Promise<Exclude<PairsJudgingPlan, { kind: 'refused' }>> {
  const checked = await light.checkPairsJudging.executeWithOptions({ summary: 'check the configuration' }, [
    configuration,
  ]);
  await refuseProblems(checked);
  const { firstExecutionRunId: firstRunId } = workflowInfo();
  const result = await light.planPairsJudging.executeWithOptions(
    { summary: 'claim the judging and fix its configuration' },
    [{ configuration, firstRunId, marker: checked.marker }],
  );
  if (result.kind === 'refused') throw refusal(result.problems);
  return result;
}

/** @throws ApplicationFailure with all that is wrong, also what the other roles find */
async function refuseProblems({ usable, marker, problems: found }: CheckedConfiguration): Promise<void> {
  const needsMachine = usable.serving?.kind !== 'endpoint';
  const [inferenceProblems, gpuProblems] = await Promise.all([
    findings('inference', () =>
      preflight
        .inference()
        .preflightInference.executeWithOptions({ summary: 'check the endpoints' }, [{ usable, marker }]),
    ),
    needsMachine
      ? findings('gpu', () =>
          preflight
            .gpu()
            .preflightGpu.executeWithOptions({ summary: 'check checkpoints, servers and trainer' }, [
              { usable, marker },
            ]),
        )
      : [],
  ]);
  // A run calls the judge its seed model.
  const problems = [...found, ...inferenceProblems, ...gpuProblems].map(({ path, message }) => ({
    path: path.replace(/^models\.seed(?=\.|$)/, 'model'),
    message,
  }));
  if (problems.length > 0) throw refusal(problems);
}

/** What a role finds, or that nobody has the role, or why the check itself failed. */
async function findings(
  role: 'inference' | 'gpu',
  check: () => Promise<readonly Problem[]>,
): Promise<readonly Problem[]> {
  try {
    return await check();
  } catch (error) {
    if (!(error instanceof ActivityFailure)) throw error;
    const { cause } = error;
    const missing = cause instanceof TimeoutFailure && cause.timeoutType === 'SCHEDULE_TO_START';
    const message = missing
      ? `no worker with role ${role} on queue ${preflight.queue(role)}: start one with "npm run worker -- --roles ${role}"`
      : `the check failed: ${cause?.message ?? error.message}`;
    return [{ path: `role ${role}`, message }];
  }
}

/** One failure with all problems, that isn't retried. */
export function refusal(problems: readonly Problem[]): ApplicationFailure {
  return ApplicationFailure.create({
    type: 'ConfigurationRefused',
    nonRetryable: true,
    message: problemsText(problems),
    details: [problems],
  });
}

/** The run's name for its progress before the configuration is read; planRun says what is wrong with it. */
export function runNameOf(configuration: unknown): string {
  const name = (configuration as { runName?: unknown } | null | undefined)?.runName;
  return typeof name === 'string' ? name : '';
}
