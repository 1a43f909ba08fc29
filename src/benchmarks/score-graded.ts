import type { BenchmarkScores, ItemOutcome, OfficialScores } from './benchmark.ts';
import { type Graded, groupScores, outcomeOf, strictScores } from './strict-scores.ts';

/** What a benchmark has worked out of its judgments: the rest of its scores is the same for all. */
export interface GradedBenchmark<Official extends OfficialScores> {
  readonly benchmark: string;
  readonly graded: readonly Graded[];
  readonly missing: number;
  readonly official: Official;
  /** The group of a subset that the field reports together; undefined where there is none. */
  readonly sectionOf?: ((subset: string) => string | undefined) | undefined;
}

/** The scores by our rule, in all and by group, beside the official ones. */
export function scoreGraded<Official extends OfficialScores>(
  { benchmark, graded, missing, official, sectionOf }: GradedBenchmark<Official>,
  seed: number,
): BenchmarkScores & { official: Official; outcomes: ItemOutcome[] } {
  return {
    benchmark,
    ...strictScores(graded, 'all pairs', seed),
    missingJudgments: missing,
    subsets: groupScores(graded, ({ subset }) => subset, seed),
    sections: groupScores(graded, ({ subset }) => sectionOf?.(subset), seed),
    official,
    outcomes: graded.map(outcomeOf),
  };
}
