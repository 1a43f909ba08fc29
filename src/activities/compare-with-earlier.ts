import type { Drift } from '../api/drift.ts';
import type { IterationSummary } from '../api/result.ts';
import type { DriftConfiguration } from '../config/drift.ts';
import { splitDatedName } from '../platform/dated-name.ts';
import { compareRuns } from '../runs/compare-runs.ts';
import { type CurrentEvaluation, findEarlierJudge } from '../runs/earlier-evaluation.ts';
import { benchmarkDrifts, driftResult, notCompared } from '../runs/judge-drift.ts';
import { ArtifactDamaged } from '../store/errors.ts';
import type { Dependencies } from './dependencies.ts';

/**
 * Compares an evaluated judge with its earlier figures, and records the outcome in a metric. Earlier figures that are missing or
 * damaged don't fail the evaluation: the result says that and why nothing was compared.
 */
export async function compareWithEarlier(
  { store, metrics }: Pick<Dependencies, 'store' | 'metrics'>,
  current: CurrentEvaluation,
  judge: IterationSummary,
  drift: DriftConfiguration,
): Promise<Drift> {
  const found = await compared();
  const { series } = splitDatedName(current.runName);
  for (const { benchmark, status } of found.benchmarks)
    metrics.judgeComparisonTime(Date.now() / 1000, { series, benchmark, outcome: status });
  return found;

  async function compared(): Promise<Drift> {
    const { significance } = drift;
    const nothing = (reason: string) =>
      judge.evaluations.map(({ benchmark }) => notCompared(benchmark, reason));
    const earlier = await findEarlierJudge(store, drift, current);
    if ('missing' in earlier) return driftResult(nothing(earlier.missing), significance);
    const { iteration, model } = earlier.judge;
    const comparedWith = { runName: earlier.run.runName, iteration, checkpoint: model.checkpoint };
    try {
      const comparison = await compareRuns(store, earlier, { run: current, judge });
      return driftResult(benchmarkDrifts(comparison, significance), significance, comparedWith);
    } catch (error) {
      if (!(error instanceof ArtifactDamaged)) throw error;
      return driftResult(nothing(`its figures can't be read: ${error.message}`), significance, comparedWith);
    }
  }
}
