import { workflowInfo } from '@temporalio/workflow';
import type { JudgeEvaluationPlan, JudgeEvaluationResult } from '../activities/types.ts';
import { workAlone } from './alone.ts';
import { evaluationTable } from './evaluation-table.ts';
import { evaluationPlanOrRefuse } from './plan.ts';
import { light } from './proxies.ts';
import type { ProgressTracker } from './run-progress.ts';
import type { RunStages } from './run-stages.ts';

/** An evaluation without training: a run without iterations, with its own plan, result and report. */
export function evaluateAlone(input: unknown): Promise<JudgeEvaluationResult> {
  return workAlone(input, {
    planning: 'planJudgeEvaluation',
    plan: evaluationPlanOrRefuse,
    follow: (owner) =>
      light.awaitEvaluation.executeWithOptions({ summary: `follow ${owner.workflowId}` }, [owner]),
    memo: ({ plan, reportAddress }) => ({ judge: plan.seedModel, report: reportAddress }),
    work: evaluate,
    details: ({ table }, { reportAddress }) => `${table}\n\nReport: \`${reportAddress}\``,
  });
}

async function evaluate(
  tracker: ProgressTracker,
  stages: RunStages,
  { plan, judge: served }: Extract<JudgeEvaluationPlan, { kind: 'planned' }>,
): Promise<JudgeEvaluationResult> {
  const { run } = plan;
  const benchmarks = await stages.prepareBenchmarks();
  const judge = served ?? (await stages.serve((await stages.identifyModels()).seed, 0, 'seed'));
  const { evaluations, counts, seconds } = await stages.evaluate(judge, 0, benchmarks);
  const { checkpoint, sha256 } = judge;
  const model = { checkpoint, sha256 };
  tracker.update({
    completed: [{ iteration: 0, model, evaluations, counts, seconds: { evaluateJudge: seconds } }],
  });
  const { warnings } = tracker.current;
  const table = evaluationTable(evaluations);
  return stages.during({ name: 'writeReport', iteration: 0 }, () =>
    light.finishJudgeEvaluation.executeWithOptions({ summary: 'write the result and the report' }, [
      {
        run,
        startedAt: workflowInfo().startTime.toISOString(),
        result: { runName: run.runName, model, evaluations, counts, seconds, warnings, table },
      },
    ]),
  );
}
