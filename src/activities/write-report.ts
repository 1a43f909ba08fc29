import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { damageWarnings } from '../artifacts/damage.ts';
import { sumCounts } from '../artifacts/shards.ts';
import { writeFileAtomically, type ArtifactStore } from '../artifacts/store.ts';
import type { Configuration } from '../config/schema.ts';
import type { BudgetProgress } from '../contract/progress.ts';
import type { FilterStatistics } from '../judge/filter-statistics.ts';
import { kindsOf } from '../report/kinds-section.ts';
import { renderReport } from '../report/render-report.ts';
import type { ReportData, ReportIteration, ReportTraining } from '../report/report-data.ts';
import { allProgress, PROGRESS_FILE } from '../training/job.ts';
import { type RunState, writeRunState } from '../runs/state.ts';
import { readResult } from '../training/model-damage.ts';
import { withHeartbeats } from './attempt.ts';
import { compareWithSeedJudge } from './compare-iterations.ts';
import type { Dependencies } from './dependencies.ts';
import { openRun, runUris } from './open-run.ts';
import { modelsOf, versionsOf } from './report-origins.ts';
import { pairsToRead } from './report-pairs.ts';
import type { PublishedScores } from './score-benchmark.ts';
import type { RowsSummary } from './collected-rows.ts';
import { MADE_ONCE, stageUsage } from './stage-usage.ts';
import type { IterationSummary, RunReference } from './types.ts';

export interface ReportInput {
  readonly run: RunReference;
  readonly status: RunState['status'];
  /** Why it failed. */
  readonly failure?: string;
  /** When the workflow started, ISO 8601. */
  readonly startedAt: string;
  readonly best: number;
  readonly iterations: readonly IterationSummary[];
  readonly warnings: readonly string[];
  readonly budget?: BudgetProgress;
}

export interface WrittenReport {
  /** Relative to the store. */
  readonly report: string;
  /** A warning for each artifact that was found damaged and made again. */
  readonly damage: readonly string[];
}

/** Writes where the run stands, and beside it, where that can be done, its report from its artifacts. */
export function writeReport(deps: Dependencies, input: ReportInput): Promise<WrittenReport> {
  return withHeartbeats(async () => {
    const { store } = deps;
    const { runName } = input.run;
    const damage = await damageWarnings(store, runName);
    const warnings = [...new Set([...input.warnings, ...damage])];
    const { status, startedAt, best, failure } = input;
    await writeRunState(store, runName, {
      ...{ status, startedAt, best, iterations: [...input.iterations], warnings },
      configuration: input.run.configuration.uri,
      ...(failure === undefined ? {} : { failure }),
    });
    const { configuration } = await openRun(store, input.run);
    const iterations = await Promise.all(
      input.iterations.map((summary) => iterationOf(store, runName, summary, configuration)),
    );
    const trained = input.iterations.filter(({ iteration }) => iteration > 0);
    const data: ReportData = {
      runName,
      status,
      startedAt,
      updatedAt: new Date().toISOString(),
      seed: configuration.seed,
      models: await modelsOf(store, runName, configuration, input.iterations),
      bestIteration: best,
      iterations,
      kinds: kindsOf(
        input.iterations[0]?.counts['categorizeInstructions'],
        input.iterations[0]?.counts['selectInstructions'],
      ),
      comparisons: await compareWithSeedJudge(store, input.iterations, input.best, configuration.seed),
      pairs: await pairsToRead(store, {
        run: runName,
        iterations: trained.map(({ iteration }) => iteration),
        planned: configuration.iterations,
      }),
      setAside: await setAsideByReason(store, runName, input.iterations),
      warnings,
      budget: input.budget,
      configuration,
      versions: await versionsOf(deps, runName, trained.at(-1)?.iteration),
    };
    const uri = runUris.report(runName);
    await writeFileAtomically(store.path(uri), await renderReport(data));
    return { report: uri, damage };
  });
}

/** A judge with its evaluations as the report shows it. */
export async function iterationOf(
  store: ArtifactStore,
  run: string,
  summary: Omit<IterationSummary, 'model'>,
  configuration: Pick<Configuration, 'models' | 'prices'>,
): Promise<ReportIteration> {
  const evaluations = await Promise.all(
    summary.evaluations.map(async ({ benchmark, purpose, scores }) => {
      const [all] = await store.records<PublishedScores>(scores);
      if (all === undefined) throw new Error(`${scores.uri} holds no scores`);
      return { benchmark, purpose, scores: all };
    }),
  );
  const counts = sumCounts(Object.values(summary.counts));
  const count = (name: string) => counts[name] ?? 0;
  const all: ReportIteration = {
    iteration: summary.iteration,
    evaluations,
    usage: stageUsage(summary, configuration),
  };
  if (summary.iteration === 0) return all;
  const trainingSet = await store.manifest(runUris.trainingSet(run, summary.iteration));
  return {
    ...all,
    funnel: {
      ...(summary.counts['preparePairs'] === undefined
        ? { instructions: count('instructions'), selected: count('selected') }
        : { rows: count('rows') }),
      pairs: count('pairs'),
      ...(count('humanPairs') > 0 ? { humanPairs: count('humanPairs') } : {}),
      judgments: summary.counts['judgePairs']?.['judgments'] ?? 0,
      right: count('right'),
      trainingExamples: count('trainingExamples'),
      statistics: trainingSet?.summary as FilterStatistics | undefined,
    },
    training: await trainingOf(store, run, summary),
  };
}

async function trainingOf(
  store: ArtifactStore,
  run: string,
  { iteration, counts }: Omit<IterationSummary, 'model'>,
): Promise<ReportTraining | undefined> {
  const folder = store.path(runUris.training(run, iteration));
  const result = await readResult(folder);
  if (result === undefined) return undefined;
  const progress = join(folder, PROGRESS_FILE);
  // After a restart steps since the last checkpoint were done again: the last line of a step is the one that counts.
  const byStep = new Map<number, number>();
  for (const { step, loss } of allProgress(existsSync(progress) ? await readFile(progress, 'utf8') : ''))
    byStep.set(step, loss);
  const losses = [...byStep].map(([step, loss]) => ({ step, loss })).sort((a, b) => a.step - b.step);
  return {
    steps: result.steps,
    meanLoss: result.meanLoss,
    finalLoss: result.finalLoss,
    losses,
    seconds: result.seconds,
    stalls: counts['fineTune']?.['stalls'],
    errors: counts['fineTune']?.['errors'],
  };
}

async function setAsideByReason(
  store: ArtifactStore,
  run: string,
  iterations: readonly IterationSummary[],
): Promise<ReportData['setAside']> {
  const rows: ReportData['setAside'] = [];
  for (const { iteration, counts } of iterations) {
    for (const [stage, ofStage] of Object.entries(counts)) {
      for (const [name, count] of Object.entries(ofStage)) {
        const reason = /^(?:failed|dropped): (.*)$/.exec(name)?.[1];
        if (reason === undefined || count === 0) continue;
        const shown = MADE_ONCE.includes(stage) ? stage : `${stage}, iteration ${iteration}`;
        // What was made once stands in the counts of every iteration.
        if (rows.some((row) => row.stage === shown && row.reason === reason)) continue;
        rows.push({ stage: shown, reason, count });
      }
    }
  }
  const readFrom = { preparePool: runUris.pool(run), preparePairs: runUris.pairs(run) };
  for (const [stage, uri] of Object.entries(readFrom)) {
    const { summary } = (await store.manifest(`${uri}/index`)) ?? {};
    const { setAside = [] } = (summary ?? {}) as Partial<RowsSummary>;
    for (const row of rows) {
      const known = setAside.find(({ reason }) => row.stage === stage && reason === row.reason);
      if (known !== undefined) row.example = known.example;
    }
  }
  return rows;
}
