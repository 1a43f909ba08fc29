/** The types of the lines in a run's artifacts. */
import type { PoolInstruction } from '../datasets/collect-instructions.ts';
import type { Order, ResponsePair } from '../method/examples.ts';
import type { JudgmentPlan, SampledJudgment } from '../method/rejection-sampling.ts';
import type { TaskName } from '../method/tasks.ts';
import type { VerdictProbabilities } from '../method/verdict-probability.ts';

/**
 * An instruction with its category and complexity according to the model: null if the answer names none, absent if
 * they were not requested.
 */
export interface CategorizedInstruction extends PoolInstruction {
  readonly category?: string | null;
  /** 1 to 5. */
  readonly complexity?: number | null;
}

/** A response pair as it is stored in `pairs`. */
export interface GeneratedPair extends ResponsePair {
  /**
   * x', the instruction for which the worse response was written; absent if a worse response was requested directly.
   */
  readonly similarInstruction?: string;
}

/** One sampled judgment of a pair in one order, as it is stored in `iteration-<i>/judgments`. */
export interface Judgment extends SampledJudgment {
  readonly pairId: string;
  readonly order: Order;
  /** True if it names the better response and is complete, so that rejection sampling may keep it. */
  readonly correct: boolean;
  /** The plan that it follows, if judging has plans: its number, and its text. */
  readonly plan?: JudgmentPlan;
}

/** A plan for the judging of an instruction, as it is stored in `iteration-<i>/plans`. */
export interface Plan {
  readonly id: string;
  /** The instruction that it is for (`instructionKey`). */
  readonly unit: string;
  /** The number of the sample, from 0. */
  readonly sample: number;
  /** Without the reasoning of a model that thinks before it answers. */
  readonly text: string;
  readonly finishReason: string;
}

/** Whether judgments can follow a plan: it is complete, and says something. */
export function isUsablePlan({ text, finishReason }: Pick<Plan, 'text' | 'finishReason'>): boolean {
  return finishReason === 'stop' && text !== '';
}

/** One sampled judgment of a record of a task beyond pairs, as it is stored beside those of pairs. */
export interface RecordJudgment extends Omit<SampledJudgment, 'verdict'> {
  readonly recordId: string;
  readonly task: TaskName;
  /** The order of its responses: `turn-<number>`. */
  readonly order: string;
  /** As `parseTaskVerdict` gives it; `none` if there is none. */
  readonly verdict: string;
  /** True if its verdict is right and it is complete, so that a judge may learn it. */
  readonly correct: boolean;
}

/** One vote of a judge on a request of a benchmark. */
export interface EvaluationJudgment {
  readonly id: string;
  readonly item: string;
  readonly slot: string;
  readonly vote: number;
  /** Both texts with a line between them, if a follow-up message was sent. */
  readonly text: string;
  /** The reasoning that the server returned apart from the (last) text. */
  readonly reasoning?: string;
  /** The verdict by the benchmark's published parser; null if it finds none. */
  readonly verdict: string | null;
  readonly finishReason: string;
  /** The probabilities of both letters at the verdict, if the configuration asks for them and the text names one. */
  readonly probabilities?: VerdictProbabilities;
}
