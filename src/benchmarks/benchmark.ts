import type { ResponsePair } from '../judge/examples.ts';

/**
 * What every benchmark is, whatever it asks: a file becomes items, an item becomes requests to the judge, and the
 * judge's texts become scores. Everything between (prompts, votes, resuming, artifacts) is the same for all of them.
 */
export interface Benchmark<
  Item extends BenchmarkItem = BenchmarkItem,
  Scores extends BenchmarkScores = BenchmarkScores,
> {
  readonly prompts: BenchmarkPrompts;
  /**
   * @param path the official file, or for a benchmark of several files their folder
   * @throws UnreadableFileError when a file can't be read, BenchmarkFileError when it isn't this benchmark: a
   *   benchmark with rows left out would give a figure that compares with nothing.
   */
  read(path: string): Promise<BenchmarkFile<Item>>;
  /** What the judge is asked about an item. Follows from the item alone; the better answer stands in every place once. */
  requests(item: Item): JudgeRequest[];
  /** The verdict that the benchmark's own published script reads in an answer to one of its prompts; undefined where it finds none. Any text is allowed. */
  officialVerdict(text: string, prompt: string): string | undefined;
  /** The message with which the official script asks once more after such a text; undefined where it doesn't. */
  followUp?(text: string): string | undefined;
  /**
   * Every request counts: one without a judgment counts like a text without a verdict, so requests that failed can't
   * raise a score. The figures depend on the judgments and the seed, not on their order.
   *
   * @throws RangeError for a judgment of an unknown request, or a second one of the same
   */
  score(
    items: readonly Item[],
    judgments: readonly BenchmarkJudgment[],
    options: { seed: number },
  ): Scores & { outcomes: ItemOutcome[] };
}

/** The prompts that a benchmark asks with: names of text files, never the text itself. */
export interface BenchmarkPrompts {
  /** The default prompt folder; a benchmark without one asks with the configuration's `evaluation.prompt`. */
  readonly folder?: string;
  /** The placeholders that each prompt must have. A single prompt stands in the folder itself, several in subfolders of their names. */
  readonly needed: Readonly<Record<string, readonly string[]>>;
}

/** What all benchmarks' items have; the rest is the benchmark's own. Items are JSON: they are kept as an artifact. */
export interface BenchmarkItem {
  /** The row's number, padded so that ids sort as rows do. */
  readonly id: string;
  readonly subset: string;
  /** What the user asked, as plain text, all turns of a conversation: what training data must not contain. */
  readonly instruction: string;
}

/** An item of two responses. The better one is the one that people, or the construction, chose. */
export interface BenchmarkPair extends ResponsePair, BenchmarkItem {
  readonly subset: string;
}

export interface BenchmarkFile<Item extends BenchmarkItem = BenchmarkItem> {
  items: Item[];
  /** What a reader of the scores should know about the file, such as a row count that isn't the official one. */
  warnings: string[];
  /** Rows that the benchmark's own rule leaves out, by reason. */
  leftOut?: Record<string, number>;
}

/** One question to the judge about an item. */
export interface JudgeRequest {
  /** `<item>/<slot>`. */
  readonly id: string;
  readonly item: string;
  /** Which of the item's questions this is, such as the order of a pair. */
  readonly slot: string;
  /** A name among the benchmark's prompts. */
  readonly prompt: string;
  /** What the prompt's placeholders stand for. */
  readonly values: Readonly<Record<string, string>>;
}

/** What the judge wrote to a request: one text, or several whose majority is its verdict. */
export interface BenchmarkJudgment {
  item: string;
  slot: string;
  texts: readonly string[];
}

/** The bounds of a 95% interval. */
export interface Interval {
  low: number;
  high: number;
}

/**
 * Figures by our own rule, the same for every benchmark: the better response in every place (both orders of a pair);
 * a text with two different verdicts, none, or a tie is not right. All shares are 0 to 1.
 */
export interface StrictScores {
  /** What is counted: pairs of responses, or a better response beside several worse ones. */
  pairs: number;
  /** Share of right verdicts over both orders. */
  accuracy: number;
  accuracyInterval: Interval;
  /** Share of pairs that are right in both orders. */
  positionConsistentAccuracy: number;
  positionConsistentAccuracyInterval: Interval;
  /** Accuracy where the better response stands first; without position bias it is the same as later. Null where there is no order. */
  betterFirstAccuracy: number | null;
  /** Accuracy where the better response stands second, or later. */
  worseFirstAccuracy: number | null;
  /** Share of A among the texts that name a response, or null where none does; without position bias 0.5, or 0.25 of four. */
  shareOfA: number | null;
  /** Share of texts without a verdict. */
  unparsable: number;
  /** Share of texts that the official parser reads differently. */
  rulesDiffer: number;
}

export interface GroupScores extends StrictScores {
  name: string;
}

/** A figure by the benchmark's published rule; see its file for the formula. */
export interface OfficialFigure {
  name: string;
  /** 0 to 1; null where the file has nothing to compute it from. */
  value: number | null;
}

export interface OfficialScores {
  /** The one that is quoted first stands first. */
  figures: OfficialFigure[];
  /** Draws what the official script leaves to chance. */
  seed: number;
}

export interface BenchmarkScores extends StrictScores {
  benchmark: string;
  /** Requests that have no judgment at all; they count as wrong. */
  missingJudgments: number;
  subsets: GroupScores[];
  sections: GroupScores[];
  official: OfficialScores;
}

/** How one item came out by our rule: what a comparison of two judges pairs up. */
export interface ItemOutcome {
  id: string;
  /** Items of one cluster are not independent of each other; an item without one is its own. */
  cluster?: string;
  /** Share of its requests that are right. */
  accuracy: number;
  /** 1 where all of them are, else 0. */
  consistent: number;
}

/** A file that can be read but isn't what the benchmark needs; the message names the file and its rows. */
export class BenchmarkFileError extends Error {
  override readonly name = 'BenchmarkFileError';
}
