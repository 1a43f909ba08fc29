import { Context } from '@temporalio/activity';
import { renderReport } from '../reporting/html/render-report.ts';
import { writeRunState } from '../runs/run-state.ts';
import { driftWarnings } from '../api/drift-text.ts';
import { compareWithEarlier } from './compare-with-earlier.ts';
import { withHeartbeats } from './heartbeats.ts';
import type { Dependencies } from './dependencies.ts';
import { openEvaluation } from '../runs/open-run.ts';
import { runUris } from '../runs/run-layout.ts';
import { softwareVersions } from '../reporting/provenance.ts';
import type { MachineTimes } from '../api/progress.ts';
import type { ReportedWait, RunReference } from '../api/activity-types.ts';
import type { JudgeEvaluationResult } from '../api/result.ts';
import { reportIteration } from '../reporting/report-iteration.ts';

export interface FinishJudgeEvaluationInput {
  readonly run: RunReference;
  /** When the workflow started, ISO 8601. */
  readonly startedAt: string;
  readonly result: Omit<JudgeEvaluationResult, 'report' | 'drift'>;
  /** Its long waits. */
  readonly waits?: readonly ReportedWait[];
  /** The busy and idle times of its machines; empty if it needed none. */
  readonly machines: readonly MachineTimes[];
}

/**
 * Compares the judge with its earlier figures, if the configuration asks for it. Writes `report.html` and then `result.json`, so
 * that the result remains after the server's retention of the workflow.
 */
export function finishJudgeEvaluation(
  deps: Dependencies,
  { run, startedAt, result, waits, machines }: FinishJudgeEvaluationInput,
): Promise<JudgeEvaluationResult> {
  return withHeartbeats(async () => {
    const { store } = deps;
    const resolved = await openEvaluation(store, run);
    const { configuration } = resolved;
    const { model, evaluations, counts, seconds } = result;
    const summary = { iteration: 0, model, evaluations, counts, seconds: { evaluateJudge: seconds } };
    const current = { runName: run.runName, resolved };
    const drift =
      configuration.drift && (await compareWithEarlier(deps, current, summary, configuration.drift));
    const warnings = [...result.warnings, ...(drift === undefined ? [] : driftWarnings(drift))];
    const iteration = await reportIteration(store, run.runName, summary, configuration);
    const html = await renderReport({
      runName: run.runName,
      judge: 'The judge',
      status: 'completed',
      startedAt,
      updatedAt: new Date().toISOString(),
      seed: configuration.seed,
      models: [{ role: 'judge (M_0)', model: model.checkpoint, sha256: model.sha256 }],
      iterations: [iteration],
      drift,
      pairs: [],
      skipped: [],
      warnings,
      waits,
      machines,
      configuration,
      versions: await softwareVersions(deps, Context.current().info, run.runName, undefined),
    });
    const report = runUris.report(run.runName);
    await store.writeText(report, html);
    await writeRunState(store, run.runName, {
      ...{ status: 'completed', startedAt, best: 0, iterations: [summary], warnings },
      configuration: run.configuration.uri,
      machines: [...machines],
    });
    const withReport: JudgeEvaluationResult = {
      ...result,
      warnings,
      ...(drift === undefined ? {} : { drift }),
      report,
    };
    await store.writeText(runUris.result(run.runName), `${JSON.stringify(withReport, undefined, 2)}\n`);
    return withReport;
  });
}
