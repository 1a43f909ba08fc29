import type { ArtifactReference } from '../store/artifact.ts';
import type { ArtifactStore } from '../store/artifact-store.ts';
import { fileKey } from '../store/manifest.ts';
import type { ItemOutcome } from '../benchmarks/benchmark.ts';
import { compareJudges } from '../benchmarks/compare-judges.ts';
import type { ReportComparison } from './report-data.ts';
import type { IterationSummary } from '../api/result.ts';
import { OUTCOMES_FILE } from '../runs/benchmark-scores.ts';

/** Compares the best judge with the seed judge on every benchmark; empty if the seed judge is the best. */
export async function compareWithSeedJudge(
  store: ArtifactStore,
  iterations: readonly IterationSummary[],
  best: number,
  seed: number,
): Promise<ReportComparison[]> {
  const evaluationsOf = (number: number) =>
    iterations.find(({ iteration }) => iteration === number)?.evaluations ?? [];
  if (best === 0) return [];
  const comparisons = evaluationsOf(best).map(async ({ benchmark, purpose, scores }) => {
    const before = evaluationsOf(0).find((evaluation) => evaluation.benchmark === benchmark);
    if (before === undefined) return [];
    const [first, second] = await Promise.all(
      [before.scores, scores].map((each) => readItemOutcomes(store, each)),
    );
    if (first === undefined || second === undefined) return [];
    return [{ benchmark, purpose, from: 0, to: best, comparison: compareJudges(first, second, seed) }];
  });
  return (await Promise.all(comparisons)).flat();
}

/** Reads the outcomes of the items, which are stored beside the scores. */
async function readItemOutcomes(
  store: ArtifactStore,
  { uri }: ArtifactReference,
): Promise<ItemOutcome[] | undefined> {
  const manifest = await store.readManifest(uri);
  const text = manifest && (await store.readText(fileKey(manifest, OUTCOMES_FILE)));
  if (text === undefined) return undefined;
  const lines = text.split('\n').filter((line) => line !== '');
  return lines.map((line) => JSON.parse(line) as ItemOutcome);
}
