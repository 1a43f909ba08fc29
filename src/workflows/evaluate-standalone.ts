import { workflowInfo } from '@temporalio/workflow';
import type { JudgeEvaluationPlan } from '../api/activity-types.ts';
import type { JudgeEvaluationResult } from '../api/result.ts';
import { driftSentences } from '../api/drift-text.ts';
import { runStandalone } from './standalone.ts';
import { evaluationTable } from './evaluation-table.ts';
import { planJudgeEvaluationOrFail } from './planning.ts';
import { workflowActivities } from './activity-proxies.ts';
import type { ProgressTracker } from './progress-tracker.ts';
import type { RunStages } from './run-stages.ts';

/** Runs an evaluation without training: a run without iterations, with a plan, a result and a report of its own. */
export function evaluateStandalone(input: unknown): Promise<JudgeEvaluationResult> {
  return runStandalone(input, {
    planStage: 'planJudgeEvaluation',
    plan: planJudgeEvaluationOrFail,
    awaitOwner: (owner) =>
      workflowActivities.awaitEvaluation.executeWithOptions({ summary: `wait for ${owner.workflowId}` }, [
        owner,
      ]),
    memo: ({ plan, reportUrl }) => ({ judge: plan.seedModel, report: reportUrl }),
    work: evaluate,
    details: ({ table, drift }, { reportUrl }) =>
      [table, ...(drift === undefined ? [] : driftSentences(drift)), `Report: \`${reportUrl}\``].join('\n\n'),
  });
}

async function evaluate(
  tracker: ProgressTracker,
  stages: RunStages,
  { plan, judge: served }: Extract<JudgeEvaluationPlan, { kind: 'planned' }>,
): Promise<JudgeEvaluationResult> {
  const { run } = plan;
  const benchmarks = await stages.prepareBenchmarks();
  const judge = served ?? (await stages.serveModel((await stages.resolveModels()).seed, 0, 'seed'));
  const { evaluations, counts, seconds } = await stages.evaluateJudge(judge, 0, benchmarks);
  const { checkpoint, sha256 } = judge;
  const model = { checkpoint, sha256 };
  tracker.update({
    completedIterations: [{ iteration: 0, model, evaluations, counts, seconds: { evaluateJudge: seconds } }],
  });
  const { warnings } = tracker.current;
  const table = evaluationTable(evaluations);
  const result = await stages.trackStage({ name: 'writeReport', iteration: 0 }, () =>
    workflowActivities.finishJudgeEvaluation.executeWithOptions(
      { summary: 'write the result and the report' },
      [
        {
          run,
          startedAt: workflowInfo().startTime.toISOString(),
          waits: tracker.endedWaits,
          machines: tracker.machineTimes(),
          result: { runName: run.runName, model, evaluations, counts, seconds, warnings, table },
        },
      ],
    ),
  );
  const { drift } = result;
  if (drift !== undefined) {
    tracker.update({ warnings: result.warnings, drift: drift.status });
    stages.publishStatus();
  }
  return result;
}
