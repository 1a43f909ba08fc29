import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ArtifactReference } from '../artifacts/reference.ts';
import type { ArtifactStore } from '../artifacts/store.ts';
import type { ItemOutcome } from '../benchmarks/benchmark.ts';
import { compareJudges } from '../benchmarks/compare.ts';
import type { ReportComparison } from '../report/report-data.ts';
import { OUTCOMES_FILE } from './score-benchmark.ts';
import type { IterationSummary } from './types.ts';

/** The best judge against the seed judge on every benchmark; nothing where the seed judge is the best. */
export async function compareWithSeedJudge(
  store: ArtifactStore,
  iterations: readonly IterationSummary[],
  best: number,
  seed: number,
): Promise<ReportComparison[]> {
  const evaluationsOf = (wanted: number) =>
    iterations.find(({ iteration }) => iteration === wanted)?.evaluations ?? [];
  if (best === 0) return [];
  const comparisons = evaluationsOf(best).map(async ({ benchmark, purpose, scores }) => {
    const before = evaluationsOf(0).find((evaluation) => evaluation.benchmark === benchmark);
    if (before === undefined) return [];
    const [first, second] = await Promise.all([before.scores, scores].map((each) => outcomesOf(store, each)));
    if (first === undefined || second === undefined) return [];
    return [{ benchmark, purpose, from: 0, to: best, comparison: compareJudges(first, second, seed) }];
  });
  return (await Promise.all(comparisons)).flat();
}

/** How each item came out, as it stands beside the scores. */
async function outcomesOf(
  store: ArtifactStore,
  { uri }: ArtifactReference,
): Promise<ItemOutcome[] | undefined> {
  const file = join(store.path(uri), OUTCOMES_FILE);
  if (!existsSync(file)) return undefined;
  const lines = (await readFile(file, 'utf8')).split('\n').filter((line) => line !== '');
  return lines.map((line) => JSON.parse(line) as ItemOutcome);
}
