import type { BenchmarkScores } from '../benchmarks/benchmark.ts';
import type { BudgetProgress } from '../contract/progress.ts';
import type { FilterStatistics } from '../judge/filter-statistics.ts';
import type { JudgeComparison } from '../benchmarks/compare.ts';
import type { Side, Verdict } from '../judge/verdict.ts';

/** All that a report shows, as plain JSON. What isn't there yet is left out, so that a run in progress has a report too. */
export interface ReportData {
  runName: string;
  /** What the headline calls a judge that stands alone; "The seed judge" by default. */
  judge?: string | undefined;
  status: 'running' | 'paused' | 'completed' | 'failed' | 'cancelled';
  /** ISO 8601. */
  startedAt: string;
  /** ISO 8601: when the data was put together. */
  updatedAt: string;
  seed: number;
  /** Who plays which part, such as `{role: 'seed judge', model: 'embedded/model'}`, with the hash of its content. */
  models: { role: string; model: string; sha256?: string | undefined }[];
  /** The iteration that was chosen, on validation scores; left out while there is nothing to choose from. */
  bestIteration?: number | undefined;
  /** From iteration 0, the seed model M_0. */
  iterations: ReportIteration[];
  /** What an LLM said about the instructions; left out where it wasn't asked. */
  kinds?: ReportKinds[] | undefined;
  /** The best judge against the seed judge. */
  comparisons?: ReportComparison[] | undefined;
  /** A sample of pairs with their judgments, to read. */
  pairs: ReportPair[];
  setAside: { stage: string; reason: string; count: number; example?: string | undefined }[];
  warnings: string[];
  /** Where the run has one. */
  budget?: BudgetProgress | undefined;
  /** The run's configuration with its defaults filled in; shown as JSON. */
  configuration: unknown;
  versions: Record<string, string>;
}

/** Iteration i trains M_i; its stages, funnel and training are those that led to M_i. */
export interface ReportIteration {
  iteration: number;
  evaluations: ReportEvaluation[];
  funnel?: ReportFunnel | undefined;
  training?: ReportTraining | undefined;
  /** In the order in which the stages ran. */
  usage?: StageUsage[] | undefined;
}

/** What a stage took; a figure that it doesn't have is left out. */
export interface StageUsage {
  stage: string;
  /** Requests to a model that were answered. */
  requests?: number | undefined;
  tokens?: { prompt: number; completion: number } | undefined;
  /** As the clock went. */
  seconds?: number | undefined;
  /** Where the configuration has prices. */
  usd?: number | undefined;
}

export interface ReportEvaluation {
  /** The benchmark's name in the configuration. */
  benchmark: string;
  purpose: 'validation' | 'test';
  scores: ReportScores;
}

export interface ReportScores extends BenchmarkScores {
  /** Rows of the file that the benchmark's own rule leaves out, by reason. */
  readonly leftOut?: Readonly<Record<string, number>> | undefined;
  /** That the judgments took. */
  readonly tokens?: { readonly prompt: number; readonly completion: number } | undefined;
  readonly requests?: number | undefined;
}

/** How many instructions of the pool are of each category, or complexity. */
export interface ReportKinds {
  kind: 'category' | 'complexity';
  rows: { name: string; instructions: number; selected: number }[];
}

/** Two iterations' judges on the same benchmark. */
export interface ReportComparison {
  benchmark: string;
  purpose: 'validation' | 'test';
  from: number;
  to: number;
  comparison: JudgeComparison;
}

/** From instructions, or from rows of given pairs, to training examples. */
export interface ReportFunnel {
  /** Of the pool; left out where the pairs were given. */
  instructions?: number | undefined;
  /** Instructions that were selected. */
  selected?: number | undefined;
  /** Of the files that hold the pairs, where they were given. */
  rows?: number | undefined;
  /** Response pairs. */
  pairs: number;
  /** Pairs with a human label that stand beside them. */
  humanPairs?: number | undefined;
  /** Sampled judgments. */
  judgments: number;
  /** Judgments with the right verdict. */
  right: number;
  /** Rows of the training set. */
  trainingExamples: number;
  /** What each step of filtering has left; undefined where the training set has no statistics. */
  statistics?: FilterStatistics | undefined;
}

export interface ReportTraining {
  steps: number;
  meanLoss: number;
  finalLoss: number;
  losses: { step: number; loss: number }[];
  seconds: number;
  /** How often it stood still, and ended in an error, before it went on; left out where that wasn't counted. */
  stalls?: number | undefined;
  errors?: number | undefined;
}

/** A pair of responses with the judgments of it that are shown; its texts stand here once for all iterations. */
export interface ReportPair {
  id: string;
  instruction: string;
  /** The response that the construction, or a label, makes the better one. */
  better: string;
  worse: string;
  /** x', which the worse response was written for. */
  similarInstruction?: string | undefined;
  /** The instruction's category, where an LLM was asked for it; of a human pair its source, of a given one its subset. */
  category?: string | undefined;
  examples: ReportExample[];
}

/** The pair in one order, as the judge of an iteration saw it. */
export interface ReportExample {
  /** The iteration whose training data it was judged for. */
  iteration: number;
  /** Where the better response stood. */
  better: Side;
  /** One of each outcome that there is. */
  judgments: ReportJudgment[];
}

/**
 * What became of a judgment: learned from (`rejected`: as the worse one of a preference pair), or why it was not. One
 * that was cut off names the better side without having come to its end.
 */
export const OUTCOMES = ['kept', 'rejected', 'right, not kept', 'wrong', 'cut off', 'no verdict'] as const;
export type Outcome = (typeof OUTCOMES)[number];

export interface ReportJudgment {
  outcome: Outcome;
  verdict: Verdict;
  text: string;
}
