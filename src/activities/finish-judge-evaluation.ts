import { writeFileAtomically } from '../artifacts/store.ts';
import { renderReport } from '../report/render-report.ts';
import { writeRunState } from '../runs/state.ts';
import { withHeartbeats } from './attempt.ts';
import type { Dependencies } from './dependencies.ts';
import { openEvaluation, runUris } from './open-run.ts';
import { versionsOf } from './report-origins.ts';
import type { JudgeEvaluationResult, RunReference } from './types.ts';
import { iterationOf } from './write-report.ts';

export interface FinishJudgeEvaluationInput {
  readonly run: RunReference;
  /** When the workflow started, ISO 8601. */
  readonly startedAt: string;
  readonly result: Omit<JudgeEvaluationResult, 'report'>;
}

/** Writes `report.html` and then `result.json`: the evaluation outlives the server's memory of the workflow. */
export function finishJudgeEvaluation(
  deps: Dependencies,
  { run, startedAt, result }: FinishJudgeEvaluationInput,
): Promise<JudgeEvaluationResult> {
  return withHeartbeats(async () => {
    const { store } = deps;
    const { configuration } = await openEvaluation(store, run);
    const { model, evaluations, counts, seconds } = result;
    const summary = { iteration: 0, model, evaluations, counts, seconds: { evaluateJudge: seconds } };
    const iteration = await iterationOf(store, run.runName, summary, configuration);
    const html = await renderReport({
      runName: run.runName,
      judge: 'The judge',
      status: 'completed',
      startedAt,
      updatedAt: new Date().toISOString(),
      seed: configuration.seed,
      models: [{ role: 'judge (M_0)', model: model.checkpoint, sha256: model.sha256 }],
      iterations: [iteration],
      pairs: [],
      setAside: [],
      warnings: [...result.warnings],
      configuration,
      versions: await versionsOf(deps, run.runName, undefined),
    });
    const report = runUris.report(run.runName);
    await writeFileAtomically(store.path(report), html);
    await writeRunState(store, run.runName, {
      ...{ status: 'completed', startedAt, best: 0, iterations: [summary], warnings: [...result.warnings] },
      configuration: run.configuration.uri,
    });
    const whole: JudgeEvaluationResult = { ...result, report };
    await writeFileAtomically(
      store.path(runUris.result(run.runName)),
      `${JSON.stringify(whole, undefined, 2)}\n`,
    );
    return whole;
  });
}
