/** Measures on the pairs of a benchmark how far a judge can be trusted: its biases, and its agreement with people. */
import { wordCount } from '../datasets/word-hashes.ts';
import { ORDERS } from '../method/examples.ts';
import { majorityVerdict } from '../method/pair-comparison.ts';
import type { Side, Verdict } from '../method/verdict.ts';
import { stableHash } from '../platform/stable-hash.ts';
import type { BenchmarkPair } from './benchmark.ts';
import { type BiasFigure, biasFigures, DEFAULT_LENGTH_LIMIT } from './biases.ts';
import { type JudgeAgreement, judgeAgreement, type Label } from './judge-agreement.ts';
import type { OrderResult, PairResult, ParsedVerdict } from './judged-pairs.ts';
import { mean } from './strict-scores.ts';

/** Maximum number of disagreements that are stored with the scores. */
const SHOWN_DISAGREEMENTS = 20;

type ClusterOf = (result: PairResult) => string;

export function pairBiases(
  judged: readonly PairResult[],
  clusterOf: ClusterOf,
  family: string | undefined,
): BiasFigure[] {
  const pairs = judged.map((result) => {
    const { better, worse, models } = result.pair;
    return {
      cluster: clusterOf(result),
      // The better response is always A here: where it is shown is told by each order.
      better: 'A' as const,
      words: { A: wordCount(better), B: wordCount(worse) },
      models: {
        ...(models?.better === undefined ? {} : { A: models.better }),
        ...(models?.worse === undefined ? {} : { B: models.worse }),
      },
      orders: ORDERS.map((order) => {
        const found = result.orders[order];
        return {
          first: found.betterSide,
          verdict: namedResponse(found, found.strict, 'A'),
          words: found.texts.length === 0 ? 0 : mean(found.texts.map(({ words }) => words)),
        };
      }),
    };
  });
  return biasFigures(pairs, { lengthLimit: DEFAULT_LENGTH_LIMIT, family });
}

/**
 * The agreement with the raters of the pairs, or with the one label that pairs have. The names A and B are given to the
 * responses by a hash: if A were always the better one, all labels would be equal, and nothing would be beyond chance.
 */
export function pairAgreement(judged: readonly PairResult[], clusterOf: ClusterOf): JudgeAgreement {
  const verdicts = judged.map((result) => {
    const { pair, orders } = result;
    const better = nameOfBetter(pair);
    const worse = better === 'A' ? 'B' : 'A';
    const inOrders = ORDERS.map((order) => namedResponse(orders[order], orders[order].strict, better));
    const verdict = majorityVerdict(inOrders);
    const texts = ORDERS.flatMap((order) =>
      orders[order].texts.map((text) => namedResponse(orders[order], text.strict, better)),
    );
    const labelOf = (label: 'better' | 'worse' | 'tie'): Label =>
      label === 'tie' ? 'tie' : label === 'better' ? better : worse;
    const labels = Object.entries(pair.labels ?? { label: 'better' as const });
    return {
      id: pair.id,
      cluster: clusterOf(result),
      category: pair.subset,
      verdict,
      confidence: texts.length === 0 ? 0 : texts.filter((text) => text === verdict).length / texts.length,
      labels: Object.fromEntries(labels.map(([rater, label]) => [rater, labelOf(label)])),
    };
  });
  return judgeAgreement(verdicts, SHOWN_DISAGREEMENTS);
}

/** The response that a verdict in one order names. @param better the name of the better response */
function namedResponse({ betterSide }: OrderResult, verdict: ParsedVerdict, better: Side): Verdict {
  if (verdict === undefined) return 'none';
  if (verdict === 'tie') return 'tie';
  if (verdict === betterSide) return better;
  return better === 'A' ? 'B' : 'A';
}

function nameOfBetter({ instruction, better, worse }: BenchmarkPair): Side {
  return stableHash('place', instruction, better, worse) < '8' ? 'A' : 'B';
}
