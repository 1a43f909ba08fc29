import type { ReportedWait } from '../api/activity-types.ts';
import type { Drift } from '../api/drift.ts';
import type { ReportedStatus } from '../api/run-status.ts';
import type { BenchmarkScores } from '../benchmarks/benchmark.ts';
import type { JudgeCalibration } from '../benchmarks/judge-calibration.ts';
import type { BudgetProgress, MachineTimes } from '../api/progress.ts';
import type { FilterStatistics } from '../method/filter-statistics.ts';
import type { JudgeComparison } from '../benchmarks/compare-judges.ts';
import type { Side, Verdict } from '../method/verdict.ts';

/** All data of a report, as plain JSON. Fields without data yet are left out, so that a run in progress has a report too. */
export interface ReportData {
  runName: string;
  /** The headline's name for the judge if there is only one; "The seed judge" by default. */
  judge?: string | undefined;
  status: ReportedStatus;
  /** ISO 8601. */
  startedAt: string;
  /** ISO 8601: when this data was collected. */
  updatedAt: string;
  seed: number;
  /** The models by role, such as `{role: 'seed judge', model: 'embedded/model'}`, with the hashes of their contents. */
  models: { role: string; model: string; sha256?: string | undefined }[];
  /** The iteration that was selected by validation scores; left out before the first evaluation. */
  bestIteration?: number | undefined;
  /** Starts with iteration 0, the seed model M_0. */
  iterations: ReportIteration[];
  /** Categories and complexity of the instructions according to an LLM; left out if the run doesn't determine them. */
  instructionBreakdowns?: InstructionBreakdown[] | undefined;
  /** The best judge compared with the seed judge. */
  comparisons?: ReportComparison[] | undefined;
  /** The comparison of an evaluation with earlier figures; left out if the configuration asks for none. */
  drift?: Drift | undefined;
  /** A sample of pairs with their judgments. */
  pairs: ReportPair[];
  skipped: { stage: string; reason: string; count: number; example?: string | undefined }[];
  warnings: string[];
  /** Left out if the run has no budget. */
  budget?: BudgetProgress | undefined;
  /** The waits of the run, and its long waits that are over; omitted if there are none. */
  waits?: readonly ReportedWait[] | undefined;
  /** The busy and idle times of the run's machines. */
  machines?: readonly MachineTimes[] | undefined;
  /** The run's configuration with its defaults. The report shows it as JSON. */
  configuration: unknown;
  versions: Record<string, string>;
}

/** Iteration i trains M_i: its stages, funnel and training are those that produced M_i. */
export interface ReportIteration {
  iteration: number;
  evaluations: ReportEvaluation[];
  /** Left out if no benchmark measures the probabilities of verdicts. */
  calibration?: JudgeCalibration | undefined;
  funnel?: ReportFunnel | undefined;
  training?: ReportTraining | undefined;
  /** In the order in which the stages ran. */
  usage?: StageUsage[] | undefined;
}

/** The requests, tokens, time and cost of a stage; values that don't apply are left out. */
export interface StageUsage {
  stage: string;
  /** Answered requests to a model. */
  requests?: number | undefined;
  tokens?: { prompt: number; completion: number } | undefined;
  /** Wall-clock time. */
  seconds?: number | undefined;
  /** Left out if the configuration has no prices. */
  usd?: number | undefined;
}

export interface ReportEvaluation {
  /** The benchmark's name in the configuration. */
  benchmark: string;
  purpose: 'validation' | 'test';
  scores: ReportScores;
}

export interface ReportScores extends BenchmarkScores {
  /** Number of rows that the benchmark's own rule excludes, by reason. */
  readonly excluded?: Readonly<Record<string, number>> | undefined;
  /** Tokens of the judgments. */
  readonly tokens?: { readonly prompt: number; readonly completion: number } | undefined;
  readonly requests?: number | undefined;
  /** The origins of the benchmark's prompts, by prompt. */
  readonly prompts?: Readonly<Record<string, string>> | undefined;
  /** How many judgments have the probability of a verdict, if they were asked for. */
  readonly calibration?: { readonly verdicts: number; readonly withoutProbability: number } | undefined;
  /** How the answers were sampled. */
  readonly sampling?: string | undefined;
}

/** The number of instructions of the pool in each category, or of each complexity. */
export interface InstructionBreakdown {
  kind: 'category' | 'complexity';
  rows: { name: string; instructions: number; selected: number }[];
}

/** The comparison of the judges of two iterations on a benchmark. */
export interface ReportComparison {
  benchmark: string;
  purpose: 'validation' | 'test';
  from: number;
  to: number;
  comparison: JudgeComparison;
}

/** The numbers of records from instructions, or from rows of files of pairs, to training examples. */
export interface ReportFunnel {
  /** Instructions of the pool; left out if the run reads its pairs from files. */
  instructions?: number | undefined;
  /** Selected instructions. */
  selected?: number | undefined;
  /** Rows of the files of pairs; left out if the run generates its pairs. */
  rows?: number | undefined;
  /** Response pairs. */
  pairs: number;
  /** Additional pairs with a human label. */
  humanPairs?: number | undefined;
  /** Sampled plans; left out if the run has none, or the judgments are those of an earlier iteration. */
  plans?: number | undefined;
  /** The earlier iteration whose judgments these are, if the round reuses them. */
  judgedIn?: number | undefined;
  /** Sampled judgments. */
  judgments: number;
  /** Judgments with the correct verdict. */
  correct: number;
  /** Judgments without a verdict, by reason; left out if there are none. */
  withoutVerdict?: Readonly<Record<string, number>> | undefined;
  /** Rows of the training set. */
  trainingExamples: number;
  /** The numbers that each filtering step kept; undefined if the training set has no statistics. */
  statistics?: FilterStatistics | undefined;
}

export interface ReportTraining {
  steps: number;
  meanLoss: number;
  finalLoss: number;
  losses: { step: number; loss: number }[];
  /** GRPO: by step the mean reward of the judgments, and the share of prompts whose judgments all have the same reward. */
  rewards?: readonly { readonly step: number; readonly reward: number; readonly zeroVarianceShare: number }[];
  seconds: number;
  /** Number of stalls and of errors after which the training was restarted; left out if unknown. */
  stalls?: number | undefined;
  errors?: number | undefined;
  /** The checkpoints that validation chose among, if it did. */
  checkpoints?:
    readonly { readonly step: number; readonly figure?: number; readonly chosen: boolean }[] | undefined;
}

/** A pair with the judgments of it that the report shows, for all iterations. */
export interface ReportPair {
  id: string;
  instruction: string;
  /** The response that is better by construction, or by a label. */
  better: string;
  worse: string;
  /** x', the instruction that the worse response answers. */
  similarInstruction?: string | undefined;
  /** The instruction's category according to an LLM; for a pair of human preferences its source, for a pair from a file its subset. */
  category?: string | undefined;
  examples: ReportExample[];
}

/** The pair in one order, judged for one iteration. */
export interface ReportExample {
  /** The iteration that was trained on these judgments. */
  iteration: number;
  /** The side of the better response. */
  better: Side;
  /** One judgment of each outcome that occurs. */
  judgments: ReportJudgment[];
}

/**
 * The outcomes of judgments. `kept` and `rejected` (in a preference pair) are in the training set. A `truncated` judgment
 * names the better side, but reached the token limit.
 */
export const JUDGMENT_OUTCOMES = [
  'kept',
  'rejected',
  'correct, not kept',
  'incorrect',
  'truncated',
  'no verdict',
] as const;
export type JudgmentOutcome = (typeof JUDGMENT_OUTCOMES)[number];

export interface ReportJudgment {
  outcome: JudgmentOutcome;
  verdict: Verdict;
  text: string;
}
