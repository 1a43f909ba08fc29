import type {
  Benchmark,
  BenchmarkFile,
  BenchmarkPair,
  BenchmarkPrompts,
  BenchmarkScores,
  OfficialScores,
} from './benchmark.ts';
import { withIntervals } from './figure-intervals.ts';
import { gradePair, type PairResult, pairResults, type ParsedVerdict, pairRequests } from './judged-pairs.ts';
import { pairAgreement, pairBiases } from './pair-trust.ts';
import { promptClusters } from './prompt-clusters.ts';
import { scoreGraded } from './score-graded.ts';
import { JudgmentTexts, type OfficialVote, strictVerdict } from './votes.ts';

/** The required placeholders of a pairwise prompt. */
export const PAIRWISE_PLACEHOLDERS = ['instruction', 'responseA', 'responseB'];

/** The definition of a benchmark of pairs. */
export interface PairBenchmark<Official extends OfficialScores> {
  readonly name: string;
  /** The configuration's `evaluation.prompt` by default. */
  readonly promptFolder?: string;
  readonly read: (path: string) => Promise<BenchmarkFile<BenchmarkPair>>;
  readonly officialVerdict: (text: string) => ParsedVerdict;
  /** By default exactly one distinct letter of `[[A]]`, `[[B]]` and `[[C]]`. */
  readonly strictVerdict?: (text: string) => ParsedVerdict;
  /** How the published script counts several votes; like our rule by default. */
  readonly officialVote?: OfficialVote;
  readonly followUp?: (text: string) => string | undefined;
  readonly sectionOf?: (subset: string) => string | undefined;
  /** The text that identifies the question of a pair, if several prompts ask the same one; by default its instruction. */
  readonly questionOf?: (pair: BenchmarkPair) => string;
  /** Set if people chose the better responses: the agreement with them is reported. */
  readonly isLabelledByPeople?: true;
  /** May get pairs several times, or none of a subset. */
  readonly official: (judged: readonly PairResult[], seed: number) => Official;
}

/** A benchmark of pairs. It has only one prompt, so `officialVerdict` needs no prompt name. */
export interface PairwiseBenchmark<Official extends OfficialScores> extends Benchmark<
  BenchmarkPair,
  BenchmarkScores & { official: Official }
> {
  officialVerdict(text: string): ParsedVerdict;
}

/** Makes a benchmark of pairs: both orders of each pair are judged with one prompt. */
export function pairBenchmark<Official extends OfficialScores>(
  definition: PairBenchmark<Official>,
): PairwiseBenchmark<Official> {
  const { name, promptFolder, followUp } = definition;
  const rules = {
    official: definition.officialVerdict,
    strict: definition.strictVerdict ?? strictVerdict,
    officialVote: definition.officialVote,
  };
  return {
    prompts: pairwisePrompts(promptFolder),
    read: definition.read,
    requests: (pair) => pairRequests(pair),
    officialVerdict: definition.officialVerdict,
    ...(followUp === undefined ? {} : { followUp }),
    score(pairs, judgments, options) {
      const { seed, judgeFamily } = options;
      const texts = new JudgmentTexts(
        pairs.flatMap((pair) => pairRequests(pair)),
        judgments,
        options,
      );
      const judged = pairResults(pairs, texts, rules, seed);
      const clusters = promptClusters(pairs, definition.questionOf);
      const clusterOf = ({ pair }: PairResult) => clusters.get(pair.id) ?? pair.id;
      const resampling = { clusterOf, stratumOf: ({ pair }: PairResult) => pair.subset, answers: 2 };
      const figuresOf = (results: readonly PairResult[]) => definition.official(results, seed).figures;
      const official = {
        ...definition.official(judged, seed),
        figures: withIntervals(judged, resampling, figuresOf, seed),
      };
      const scores = scoreGraded({
        benchmark: name,
        graded: judged.map((result) => gradePair(result, clusterOf(result))),
        missing: texts.missing,
        official,
        sectionOf: definition.sectionOf,
      });
      return {
        ...scores,
        biases: pairBiases(judged, clusterOf, judgeFamily),
        ...(definition.isLabelledByPeople ? { agreement: pairAgreement(judged, clusterOf) } : {}),
      };
    },
  };
}

/** One pairwise prompt, from the benchmark's own folder or from the configuration's `evaluation.prompt`. */
export function pairwisePrompts(folder?: string): BenchmarkPrompts {
  return {
    ...(folder === undefined ? {} : { folder }),
    requiredPlaceholders: { pairwise: PAIRWISE_PLACEHOLDERS },
  };
}
