import type { RowsSummary } from '../datasets/collected-rows.ts';
import type { ArtifactStore } from '../store/artifact-store.ts';
import type { IterationSummary } from '../api/result.ts';
import { runUris } from '../runs/run-layout.ts';
import { isPreparationStage } from '../api/stages.ts';
import type { ReportData } from './report-data.ts';

/** The records that the stages of a run skipped, counted by stage and reason. */
export async function skippedByReason(
  store: ArtifactStore,
  run: string,
  iterations: readonly IterationSummary[],
): Promise<ReportData['skipped']> {
  const rows: ReportData['skipped'] = [];
  for (const { iteration, counts } of iterations) {
    for (const [stage, ofStage] of Object.entries(counts)) {
      for (const [name, count] of Object.entries(ofStage)) {
        const reason = /^(?:failed|dropped): (.*)$/.exec(name)?.[1];
        if (reason === undefined || count === 0) continue;
        const shown = isPreparationStage(stage) ? stage : `${stage}, iteration ${iteration}`;
        // The counts of preparation stages are repeated in every iteration.
        if (rows.some((row) => row.stage === shown && row.reason === reason)) continue;
        rows.push({ stage: shown, reason, count });
      }
    }
  }
  const readFrom = {
    preparePool: runUris.pool(run),
    preparePairs: runUris.pairs(run),
    prepareTasks: runUris.judgedItems(run),
  };
  for (const [stage, uri] of Object.entries(readFrom)) {
    const { summary } = (await store.readManifest(`${uri}/index`)) ?? {};
    const { skipped = [] } = (summary ?? {}) as Partial<RowsSummary>;
    for (const row of rows) {
      const withExample = skipped.find(({ reason }) => row.stage === stage && reason === row.reason);
      if (withExample !== undefined) row.example = withExample.example;
    }
  }
  return rows;
}
