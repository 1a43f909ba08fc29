import { Context } from '@temporalio/activity';
import { quarantineWarnings } from '../runs/quarantine-warnings.ts';
import type { BudgetProgress, MachineTimes } from '../api/progress.ts';
import { instructionBreakdowns } from '../reporting/html/instruction-breakdown-section.ts';
import { renderReport } from '../reporting/html/render-report.ts';
import type { ReportData } from '../reporting/report-data.ts';
import { type RunState, writeRunState } from '../runs/run-state.ts';
import { withHeartbeats } from './heartbeats.ts';
import { compareWithSeedJudge } from '../reporting/compare-with-seed-judge.ts';
import type { Dependencies } from './dependencies.ts';
import { openRun } from '../runs/open-run.ts';
import { runUris } from '../runs/run-layout.ts';
import { modelProvenance, softwareVersions } from '../reporting/provenance.ts';
import { sampleJudgedPairs } from '../reporting/sample-judged-pairs.ts';
import type { ReportedWait, RunReference } from '../api/activity-types.ts';
import type { IterationSummary } from '../api/result.ts';
import { reportIteration } from '../reporting/report-iteration.ts';
import { skippedByReason } from '../reporting/skipped-records.ts';

export interface WriteReportInput {
  readonly run: RunReference;
  readonly status: RunState['status'];
  /** The reason of the failure. */
  readonly failure?: string;
  /** When the workflow started, ISO 8601. */
  readonly startedAt: string;
  readonly best: number;
  readonly iterations: readonly IterationSummary[];
  readonly warnings: readonly string[];
  readonly budget?: BudgetProgress;
  /** The waits of the run, and its long waits that are over. */
  readonly waits?: readonly ReportedWait[];
  /** The busy and idle times of the run's machines. */
  readonly machines?: readonly MachineTimes[];
}

export interface WrittenReport {
  /** The path of the report, relative to the store. */
  readonly report: string;
  /** A warning for each artifact that was found damaged and made again. */
  readonly damage: readonly string[];
}

/** Writes the state of the run, and its report from its artifacts if that is possible. */
export function writeReport(deps: Dependencies, input: WriteReportInput): Promise<WrittenReport> {
  return withHeartbeats(async () => {
    const { store } = deps;
    const { runName } = input.run;
    const damage = await quarantineWarnings(store, runName);
    const warnings = [...new Set([...input.warnings, ...damage])];
    const { status, startedAt, best, failure, machines } = input;
    await writeRunState(store, runName, {
      ...{ status, startedAt, best, iterations: [...input.iterations], warnings },
      configuration: input.run.configuration.uri,
      ...(machines === undefined ? {} : { machines }),
      ...(failure === undefined ? {} : { failure }),
    });
    const { configuration } = await openRun(store, input.run);
    const iterations = await Promise.all(
      input.iterations.map((summary) => reportIteration(store, runName, summary, configuration)),
    );
    const trained = input.iterations.filter(({ iteration }) => iteration > 0);
    const data: ReportData = {
      runName,
      status,
      startedAt,
      updatedAt: new Date().toISOString(),
      seed: configuration.seed,
      models: await modelProvenance(store, runName, configuration, input.iterations),
      bestIteration: best,
      iterations,
      instructionBreakdowns: instructionBreakdowns(
        input.iterations[0]?.counts['categorizeInstructions'],
        input.iterations[0]?.counts['selectInstructions'],
      ),
      comparisons: await compareWithSeedJudge(store, input.iterations, input.best, configuration.seed),
      pairs: await sampleJudgedPairs(store, {
        run: runName,
        iterations: trained.map(({ iteration }) => iteration),
        planned: configuration.iterations,
        configuration,
      }),
      skipped: await skippedByReason(store, runName, input.iterations),
      warnings,
      budget: input.budget,
      waits: input.waits,
      machines,
      configuration,
      versions: await softwareVersions(deps, Context.current().info, runName, trained.at(-1)?.iteration),
    };
    const uri = runUris.report(runName);
    await store.writeText(uri, await renderReport(data));
    return { report: uri, damage };
  });
}
