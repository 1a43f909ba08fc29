import type { Order, ResponsePair } from '../judge/examples.ts';
import type { Side } from '../judge/verdict.ts';

/** What every pairwise benchmark shares: rows in, one verdict for each order of a pair, scores out. */
export interface Benchmark {
  name: string;
  /**
   * @throws UnreadableFileError when the file can't be read, BenchmarkFileError when it isn't this benchmark: a
   *   benchmark with rows left out would give a figure that compares with nothing.
   */
  read(file: string): Promise<BenchmarkFile>;
  /** The verdict as the benchmark's own published script reads it. */
  officialVerdict(text: string): Side | undefined;
  /**
   * Every pair counts in both orders: an order without a judgment counts like a text without a verdict, so requests
   * that failed can't raise a score. The figures depend on the judgments and the seed, not on their order.
   *
   * @throws RangeError for a judgment of an unknown pair, or a second one for the same pair and order
   */
  score(
    pairs: readonly BenchmarkPair[],
    judgments: readonly BenchmarkJudgment[],
    options: { seed: number },
  ): BenchmarkScores;
}

export interface BenchmarkFile {
  pairs: BenchmarkPair[];
  /** What a reader of the scores should know about the file, such as a row count that isn't the official one. */
  warnings: string[];
}

/** The better response is the one that people chose. The id is the row's number, padded so that ids sort as rows do. */
export interface BenchmarkPair extends ResponsePair {
  readonly subset: string;
}

/** What the judge wrote about a pair in one order: one text, or several whose majority is its verdict. */
export interface BenchmarkJudgment {
  pairId: string;
  order: Order;
  texts: readonly string[];
}

/** The bounds of a 95% interval. */
export interface Interval {
  low: number;
  high: number;
}

/**
 * Figures by our own rule, the same for every benchmark: both orders of every pair; a text with two different letters,
 * none, or a tie has no verdict, and no verdict is wrong. All shares are 0 to 1.
 */
export interface StrictScores {
  pairs: number;
  /** Share of right verdicts over both orders. */
  accuracy: number;
  accuracyInterval: Interval;
  /** Share of pairs that are right in both orders. */
  positionConsistentAccuracy: number;
  positionConsistentAccuracyInterval: Interval;
  /** Accuracy where the better response is A; without position bias it is the same as worse first. */
  betterFirstAccuracy: number;
  /** Accuracy where the better response is B. */
  worseFirstAccuracy: number;
  /** Share of A among the texts that have a verdict, or null where none has; 0.5 without position bias. */
  shareOfA: number | null;
  /** Share of texts without a verdict. */
  unparsable: number;
  /** Share of texts that the official parser reads differently. */
  rulesDiffer: number;
}

export interface GroupScores extends StrictScores {
  name: string;
}

/** Scores by the benchmark's published rule; see its file for the formula. */
export interface OfficialScores {
  total: number;
  sections: Record<string, number>;
  subsets: Record<string, number>;
}

export interface BenchmarkScores extends StrictScores {
  benchmark: string;
  /** Pair orders that have no judgment at all; they count as wrong. */
  missingJudgments: number;
  subsets: GroupScores[];
  sections: GroupScores[];
  official: {
    /** One order for each pair, drawn by the seed: what published figures are. */
    singleOrder: OfficialScores;
    /** The mean of both orders under the same rule: no luck of the draw. */
    bothOrders: OfficialScores;
    seed: number;
  };
}

/** A file that can be read but isn't what the benchmark needs; the message names the file and its rows. */
export class BenchmarkFileError extends Error {
  override readonly name = 'BenchmarkFileError';
}
