import { countReasons } from '../method/missing-verdict.ts';
import type { BenchmarkScores, ItemOutcome, OfficialScores } from './benchmark.ts';
import { type GradedItem, groupScores, itemOutcome, strictScores } from './strict-scores.ts';

/** The benchmark-specific part of the scores. */
export interface GradedBenchmark<Official extends OfficialScores> {
  readonly benchmark: string;
  readonly graded: readonly GradedItem[];
  readonly missing: number;
  readonly official: Official;
  /** The section of a subset, for scores of several subsets together; undefined if it belongs to none. */
  readonly sectionOf?: ((subset: string) => string | undefined) | undefined;
}

/** Adds the scores by the strict rule, over all items and by group, to the official ones. */
export function scoreGraded<Official extends OfficialScores>({
  benchmark,
  graded,
  missing,
  official,
  sectionOf,
}: GradedBenchmark<Official>): BenchmarkScores & { official: Official; outcomes: ItemOutcome[] } {
  const reasons = graded.flatMap(({ answers }) =>
    answers.flatMap(({ texts }) => texts.flatMap((text) => text.missing ?? [])),
  );
  return {
    benchmark,
    ...strictScores(graded, 'all pairs'),
    missingJudgments: missing,
    ...(reasons.length === 0 ? {} : { withoutVerdict: countReasons(reasons) }),
    subsets: groupScores(graded, ({ subset }) => subset),
    sections: groupScores(graded, ({ subset }) => sectionOf?.(subset)),
    official,
    outcomes: graded.map(itemOutcome),
  };
}
