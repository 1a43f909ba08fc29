import type { Order, ResponsePair } from '../method/examples.ts';
import type { BiasFigure } from './biases.ts';
import type { Interval } from './intervals.ts';
import type { JudgeAgreement } from './judge-agreement.ts';
import type { EndedText } from '../method/missing-verdict.ts';
import type { ReasoningMarks } from '../method/reasoning.ts';

/**
 * The interface of all benchmarks: it reads a file into items, makes requests to the judge for each item, and computes
 * scores from the judge's texts. Everything between (prompts, votes, resuming, artifacts) is the same for all of them.
 */
export interface Benchmark<
  Item extends BenchmarkItem = BenchmarkItem,
  Scores extends BenchmarkScores = BenchmarkScores,
> {
  readonly prompts: BenchmarkPrompts;
  /**
   * @param path the official file, or the folder of a benchmark with several files
   * @throws UnreadableFile if a file can't be read, InvalidBenchmarkFile if a row doesn't fit the benchmark: scores
   *   without some of the rows can't be compared with published ones
   */
  read(path: string): Promise<BenchmarkFile<Item>>;
  /** The requests for an item, which depend only on the item. The better response takes every position once. */
  requests(item: Item): JudgeRequest[];
  /** Parses an answer to one of the prompts like the benchmark's published script does; undefined if there is no verdict. Accepts any text. */
  officialVerdict(text: string, prompt: string): string | undefined;
  /** The follow-up message that the official script sends after a text without a verdict; undefined if it sends none. */
  followUp?(text: string): string | undefined;
  /**
   * Computes the scores. A request without a judgment counts like a text without a verdict, so that failed requests can't
   * improve a score. The scores depend on the judgments and the seed, not on the order of the judgments.
   *
   * @throws RangeError if a judgment has an unknown request, or a request has two judgments
   */
  score(
    items: readonly Item[],
    judgments: readonly BenchmarkJudgment[],
    options: ScoringOptions,
  ): Scores & { outcomes: ItemOutcome[] };
}

/** The prompts of a benchmark. */
export interface BenchmarkPrompts {
  /** The default prompt folder. A benchmark without one uses the configuration's `evaluation.prompt`. */
  readonly folder?: string;
  /** The placeholders that each prompt must have. A single prompt is in the folder itself; several are in subfolders of their names. */
  readonly requiredPlaceholders: Readonly<Record<string, readonly string[]>>;
}

/** The fields that the items of all benchmarks have. Items must be JSON values, because they are stored as an artifact. */
export interface BenchmarkItem {
  /** The row's number, padded so that ids sort as rows do. */
  readonly id: string;
  readonly subset: string;
  /** The user's request as plain text, with all turns of a conversation. It must not occur in training data. */
  readonly instruction: string;
}

/** An item with two responses, of which the better one is known by people's preference or by construction. */
export interface BenchmarkPair extends ResponsePair, BenchmarkItem {
  readonly subset: string;
  /** The model that wrote each response, if the file names it. */
  readonly models?: { readonly better?: string; readonly worse?: string };
  /** The better response according to each of several raters. */
  readonly labels?: Readonly<Record<string, 'better' | 'worse' | 'tie'>>;
  /** The order in which a published judge saw the pair, if it is given; the published script draws it. */
  readonly givenOrder?: Order;
}

export interface BenchmarkFile<Item extends BenchmarkItem = BenchmarkItem> {
  items: Item[];
  /** Warnings for readers of the scores, such as a number of rows that differs from the official one. */
  warnings: string[];
  /** Number of rows that the benchmark's own rule excludes, by reason. */
  excluded?: Record<string, number>;
}

/** One request to the judge about an item. */
export interface JudgeRequest {
  /** `<item>/<slot>`. */
  readonly id: string;
  readonly item: string;
  /** Identifies the request within the item, such as the order of a pair. */
  readonly slot: string;
  /** The name of one of the benchmark's prompts. */
  readonly prompt: string;
  /** The values of the prompt's placeholders. */
  readonly values: Readonly<Record<string, string>>;
}

/** The judge's texts for a request: one text, or several votes, perhaps with how each ended. */
export interface BenchmarkJudgment {
  item: string;
  slot: string;
  texts: readonly (string | EndedText)[];
}

export interface ScoringOptions {
  readonly seed: number;
  /** The marks around the judge's reasoning; those of known models by default. */
  readonly reasoningMarks?: readonly ReasoningMarks[] | undefined;
  /** A text that the names of the models of the judge's own family contain, if known. */
  readonly judgeFamily?: string | undefined;
}

/**
 * Scores by our strict rule, which is the same for every benchmark: the better response takes every position (both orders
 * of a pair), and a text with two different verdicts, without a verdict, or with a tie is incorrect. A verdict is read behind
 * the reasoning of a model that thinks before it answers. Shares are 0 to 1.
 */
export interface StrictScores {
  /** Number of pairs, or of groups of one better and several worse responses. */
  pairs: number;
  /** Share of correct verdicts over both orders. */
  accuracy: number;
  accuracyInterval: Interval;
  /** Share of pairs that are correct in both orders. */
  positionConsistentAccuracy: number;
  positionConsistentAccuracyInterval: Interval;
  /** Accuracy with the better response in the first position; without position bias it equals `worseFirstAccuracy`. Null if there is no order. */
  betterFirstAccuracy: number | null;
  /** Accuracy with the better response in the second or a later position. */
  worseFirstAccuracy: number | null;
  /** Share of A among the texts that name a response; without position bias 0.5, or 0.25 of four responses. Null if no text names one. */
  shareOfA: number | null;
  /** Share of texts without a verdict. */
  unparsable: number;
  /** Share of texts for which the official parser gives another verdict. */
  parserDisagreement: number;
}

export interface GroupScores extends StrictScores {
  name: string;
}

/** A score by the benchmark's published rule; the formula is in the benchmark's file. */
export interface OfficialFigure {
  name: string;
  /** 0 to 1; null if the file has no rows for it. */
  value: number | null;
  /** The 95% interval; absent if there is no value. */
  interval?: Interval;
}

export interface OfficialScores {
  /** The score that is usually quoted comes first. */
  figures: OfficialFigure[];
  /** The decimals with which the figures are published in percent; 1 by default. */
  decimals?: number;
  /** The seed of the random choices of the official script. */
  seed: number;
}

export interface BenchmarkScores extends StrictScores {
  benchmark: string;
  /** Number of requests without a judgment; they count as incorrect. */
  missingJudgments: number;
  /** Number of texts without a verdict by the strict rule, by reason; absent if every text has one. */
  withoutVerdict?: Readonly<Record<string, number>>;
  subsets: GroupScores[];
  sections: GroupScores[];
  official: OfficialScores;
  /** The biases that the pairs show; absent if a benchmark has no pairs. */
  biases?: readonly BiasFigure[];
  /** The agreement with the people who labelled the pairs; absent if they are labelled by construction. */
  agreement?: JudgeAgreement;
}

/** The outcome of one item by the strict rule, for the paired comparison of two judges. */
export interface ItemOutcome {
  id: string;
  /** Items of the same cluster are not independent of each other. An item without one is its own cluster. */
  cluster?: string;
  /** Share of correct answers. */
  accuracy: number;
  /** 1 if all answers are correct, otherwise 0. */
  consistent: number;
}

/** A readable file that doesn't fit the benchmark. The message names the file and its rows. */
export class InvalidBenchmarkFile extends Error {
  override readonly name = 'InvalidBenchmarkFile';
}
