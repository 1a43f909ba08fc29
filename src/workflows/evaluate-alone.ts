import {
  CancellationScope,
  isCancellation,
  setCurrentDetails,
  setHandler,
  upsertMemo,
  workflowInfo,
} from '@temporalio/workflow';
import type { JudgeEvaluationPlan, JudgeEvaluationResult } from '../activities/types.ts';
import { datedName } from '../format/dated-name.ts';
import { evaluationTable } from './evaluation-table.ts';
import { configurationQuery } from './messages.ts';
import { evaluationPlanOrRefuse, runNameOf } from './plan.ts';
import { light } from './proxies.ts';
import { PauseGate } from './pause.ts';
import { setProgressHandlers } from './run-handlers.ts';
import type { RunPhase } from '../contract/progress.ts';
import { ProgressTracker } from './run-progress.ts';
import { RunBudget } from './run-budget.ts';
import { RunStages } from './run-stages.ts';
import { showDetails } from './show-details.ts';

/** An evaluation without training: a run without iterations, with its own plan, result and report. */
export async function evaluateAlone(input: unknown): Promise<JudgeEvaluationResult> {
  const runName = datedName(runNameOf(input), workflowInfo().startTime);
  const configuration = isObject(input) && runName !== '' ? { ...input, runName } : input;
  const tracker = new ProgressTracker({
    runName,
    phase: 'planning',
    startedAt: workflowInfo().startTime.toISOString(),
    iterations: 0,
    stages: [],
    counts: {},
    completed: [],
    best: 0,
    warnings: [],
  });
  let resolved = configuration;
  setProgressHandlers(tracker);
  setHandler(configurationQuery, () => resolved);

  const planned = await tracker.during({ name: 'planJudgeEvaluation', iteration: 0 }, () =>
    evaluationPlanOrRefuse(configuration),
  );
  if (planned.kind === 'joined') {
    tracker.update({ phase: 'following' });
    const { ownerWorkflowId: workflowId, ownerRunId: runId } = planned;
    return light.awaitEvaluation.executeWithOptions({ summary: `follow ${workflowId}` }, [
      { workflowId, runId },
    ]);
  }
  resolved = planned.configuration;
  upsertMemo({ runName, judge: planned.plan.seedModel, report: planned.reportAddress });
  tracker.update({ phase: 'working', warnings: planned.warnings });
  const gate = new PauseGate();
  const budget = new RunBudget(tracker, gate, () => showDetails(tracker));
  const stages = new RunStages({ tracker, gate, budget }, planned.plan, undefined);
  const end = (phase: RunPhase): Promise<void> =>
    CancellationScope.nonCancellable(async () => {
      await stages.stopServing();
      tracker.update({ phase, stages: [] });
    });
  try {
    const result = await evaluate(tracker, stages, planned);
    await end('completed');
    setCurrentDetails(`**${runName}**: completed\n\n${result.table}\n\nReport: \`${planned.reportAddress}\``);
    return result;
  } catch (error) {
    await end(isCancellation(error) ? 'cancelled' : 'failed');
    showDetails(tracker);
    throw error;
  }
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
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
