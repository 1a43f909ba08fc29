import { Context } from '@temporalio/activity';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { damageWarnings } from '../artifacts/damage.ts';
import { sumCounts } from '../artifacts/shards.ts';
import { referenceTo, writeFileAtomically, type ArtifactStore } from '../artifacts/store.ts';
import type { FilterStatistics } from '../judge/filter-statistics.ts';
import { kindsOf } from '../report/kinds-section.ts';
import { renderReport } from '../report/render-report.ts';
import type { ReportData, ReportIteration, ReportJudgment, ReportTraining } from '../report/report-data.ts';
import { allProgress, PROGRESS_FILE } from '../training/job.ts';
import { readResult } from '../training/model-damage.ts';
import { withHeartbeats } from './attempt.ts';
import { compareWithSeedJudge } from './compare-iterations.ts';
import type { Dependencies } from './dependencies.ts';
import { judgedExamples, type TrainingExample } from './filter-judgments.ts';
import { openRun, runUris } from './open-run.ts';
import type { PreferenceExample } from './preference-set.ts';
import type { PublishedScores } from './score-benchmark.ts';
import type { PoolSummary } from './prepare-pool.ts';
import type { IterationSummary, RunReference } from './types.ts';

export interface ReportInput {
  readonly run: RunReference;
  readonly status: ReportData['status'];
  /** When the workflow started, ISO 8601. */
  readonly startedAt: string;
  readonly best: number;
  readonly iterations: readonly IterationSummary[];
  readonly warnings: readonly string[];
}

/** Judgments of each outcome and iteration that the report shows. */
const EXAMPLES_OF_EACH_OUTCOME = 6;

/** The stages before the first iteration. */
const MADE_ONCE = [
  'preparePool',
  'categorizeInstructions',
  'selectInstructions',
  'generatePairs',
  'addHumanPairs',
];

export interface WrittenReport {
  /** Relative to the store. */
  readonly report: string;
  /** A warning for each artifact that was found damaged and made again. */
  readonly damage: readonly string[];
}

/** Writes the run's report from its artifacts. */
export function writeReport(deps: Dependencies, input: ReportInput): Promise<WrittenReport> {
  return withHeartbeats(async () => {
    const { store } = deps;
    const { runName } = input.run;
    const { configuration } = await openRun(store, input.run);
    const iterations = await Promise.all(
      input.iterations.map((summary) => iterationOf(store, runName, summary)),
    );
    const trained = input.iterations.filter(({ iteration }) => iteration > 0);
    const judgments = await Promise.all(
      trained.map(({ iteration }) => sampleJudgments(store, runName, iteration)),
    );
    const { models } = configuration;
    const damage = await damageWarnings(store, runName);
    const data: ReportData = {
      runName,
      status: input.status,
      startedAt: input.startedAt,
      updatedAt: new Date().toISOString(),
      seed: configuration.seed,
      models: Object.entries({
        'seed judge (M_0)': models.seed,
        generator: models.generator ?? models.seed,
        'first judge': models.firstJudge ?? models.seed,
      }).map(([role, model]) => ({ role, model: model.checkpoint })),
      bestIteration: input.best,
      iterations,
      kinds: kindsOf(
        input.iterations[0]?.counts['categorizeInstructions'],
        input.iterations[0]?.counts['selectInstructions'],
      ),
      comparisons: await compareWithSeedJudge(store, input.iterations, input.best, configuration.seed),
      judgments: judgments.flat(),
      setAside: await setAsideByReason(store, runName, input.iterations),
      warnings: [...new Set([...input.warnings, ...damage])],
      configuration,
      versions: await versionsOf(store, runName, trained.at(-1)?.iteration),
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
  summary: IterationSummary,
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
    tokens: { prompt: count('promptTokens'), completion: count('completionTokens') },
    stageSeconds: { ...summary.seconds },
  };
  if (summary.iteration === 0) return all;
  const trainingSet = await store.manifest(runUris.trainingSet(run, summary.iteration));
  return {
    ...all,
    funnel: {
      instructions: count('instructions'),
      selected: count('selected'),
      pairs: count('pairs'),
      ...(count('humanPairs') > 0 ? { humanPairs: count('humanPairs') } : {}),
      judgments: summary.counts['judgePairs']?.['judgments'] ?? 0,
      right: count('right'),
      trainingExamples: count('trainingExamples'),
      statistics: trainingSet?.summary as FilterStatistics | undefined,
    },
    training: await trainingOf(store, run, summary.iteration),
  };
}

async function trainingOf(
  store: ArtifactStore,
  run: string,
  iteration: number,
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
  };
}

/** Some judgments of every outcome to read, from the first shard: ids are hashes, so it is a sample like any other. */
async function sampleJudgments(
  store: ArtifactStore,
  run: string,
  iteration: number,
): Promise<ReportJudgment[]> {
  const human = `${runUris.judgedPairs(run)}/index`;
  const manifests = await Promise.all(
    [
      (await store.manifest(human)) === undefined ? `${runUris.pairs(run)}/index` : human,
      `${runUris.judgments(run, iteration)}/index`,
      runUris.trainingSet(run, iteration),
    ].map((uri) => store.manifest(uri)),
  );
  const [pairs, judgments, trainingSet] = manifests;
  if (pairs === undefined || judgments === undefined || trainingSet === undefined) return [];
  const rows = await store.records<TrainingExample | PreferenceExample>(referenceTo(trainingSet));
  const trained = new Set(rows.map((row) => ('chosen' in row ? row.judgments.chosen : row.id)));
  const sample: ReportJudgment[] = [];
  const shown = new Map<ReportJudgment['outcome'], number>();
  for await (const { example, judgments: all } of judgedExamples({ store }, { pairs, judgments })) {
    if (sample.length >= 4 * EXAMPLES_OF_EACH_OUTCOME) break;
    for (const judgment of all) {
      const { verdict, right, text } = judgment;
      const outcome = trained.has(judgment.id)
        ? 'kept'
        : right
          ? 'right, not kept'
          : verdict === 'none'
            ? 'none'
            : 'wrong';
      if ((shown.get(outcome) ?? 0) >= EXAMPLES_OF_EACH_OUTCOME) continue;
      shown.set(outcome, (shown.get(outcome) ?? 0) + 1);
      const { instruction, responseA, responseB, betterSide } = example;
      sample.push({
        iteration,
        instruction,
        responseA,
        responseB,
        better: betterSide,
        verdict,
        outcome,
        text,
      });
      break;
    }
  }
  return sample;
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
  const pool = await store.manifest(`${runUris.pool(run)}/index`);
  const { setAside = [] } = (pool?.summary ?? {}) as Partial<PoolSummary>;
  return rows.map((row) => {
    const known = row.stage === 'preparePool' && setAside.find(({ reason }) => reason === row.reason);
    return known ? { ...row, example: known.example } : row;
  });
}

async function versionsOf(
  store: ArtifactStore,
  run: string,
  lastTrained: number | undefined,
): Promise<Record<string, string>> {
  const { workflowType, activityType } = Context.current().info;
  const versions: Record<string, string> = { node: process.versions.node };
  if (workflowType !== undefined) versions['workflow'] = `${workflowType}, ${activityType}`;
  if (lastTrained === undefined) return versions;
  const result = await readResult(store.path(runUris.training(run, lastTrained)));
  return { ...versions, ...result?.versions };
}
