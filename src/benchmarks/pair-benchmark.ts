import type {
  Benchmark,
  BenchmarkFile,
  BenchmarkPair,
  BenchmarkPrompts,
  BenchmarkScores,
  OfficialScores,
} from './benchmark.ts';
import { gradePair, type JudgedPair, judgedPairs, type PairVerdict, pairRequests } from './judged-pairs.ts';
import { scoreGraded } from './score-graded.ts';
import { JudgmentTexts, strictVerdict } from './votes.ts';

/** What a pairwise prompt must have. */
export const PAIRWISE_PLACEHOLDERS = ['instruction', 'responseA', 'responseB'];

/** What is a benchmark's own when its items are pairs that the judge sees in both orders. */
export interface PairBenchmark<Official extends OfficialScores> {
  readonly name: string;
  /** `evaluation.prompt` of the configuration by default. */
  readonly promptFolder?: string;
  readonly read: (path: string) => Promise<BenchmarkFile<BenchmarkPair>>;
  readonly officialVerdict: (text: string) => PairVerdict;
  /** One distinct letter of `[[A]]`, `[[B]]` and `[[C]]` by default. */
  readonly strictVerdict?: (text: string) => PairVerdict;
  readonly followUp?: (text: string) => string | undefined;
  readonly sectionOf?: (subset: string) => string | undefined;
  /** What a pair shares with others that are not independent of it; nothing by default. */
  readonly clusterOf?: (pair: BenchmarkPair) => string;
  readonly official: (judged: readonly JudgedPair[], seed: number) => Official;
}

/** Its one prompt leaves no doubt how a text is to be read. */
export interface PairwiseBenchmark<Official extends OfficialScores> extends Benchmark<
  BenchmarkPair,
  BenchmarkScores & { official: Official }
> {
  officialVerdict(text: string): PairVerdict;
}

/** A benchmark of pairs: both orders of each are judged, by one prompt. */
export function pairBenchmark<Official extends OfficialScores>(
  own: PairBenchmark<Official>,
): PairwiseBenchmark<Official> {
  const { name, promptFolder, followUp } = own;
  const rules = { official: own.officialVerdict, strict: own.strictVerdict ?? strictVerdict };
  return {
    prompts: pairwisePrompts(promptFolder),
    read: own.read,
    requests: (pair) => pairRequests(pair),
    officialVerdict: own.officialVerdict,
    ...(followUp === undefined ? {} : { followUp }),
    score(pairs, judgments, { seed }) {
      const texts = new JudgmentTexts(
        pairs.flatMap((pair) => pairRequests(pair)),
        judgments,
      );
      const judged = judgedPairs(pairs, texts, rules, seed);
      return scoreGraded(
        {
          benchmark: name,
          graded: judged.map((one) => gradePair(one, own.clusterOf?.(one.pair))),
          missing: texts.missing,
          official: own.official(judged, seed),
          sectionOf: own.sectionOf,
        },
        seed,
      );
    },
  };
}

/** One pairwise prompt, from a folder of the benchmark's own or as the configuration's `evaluation.prompt` says. */
export function pairwisePrompts(folder?: string): BenchmarkPrompts {
  return { ...(folder === undefined ? {} : { folder }), needed: { pairwise: PAIRWISE_PLACEHOLDERS } };
}
