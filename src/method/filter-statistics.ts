import {
  DROP_REASONS,
  type JudgmentSelection,
  type DropReason,
  type JudgedExample,
} from './select-judgments.ts';
import type { TaskStatistics } from './select-task-judgments.ts';
import type { KeptJudgment } from './mix-sources.ts';
import type { CountedJudgment } from './rejection-sampling.ts';

/** The examples that remain after one step of filtering. */
export interface FilterStep {
  readonly step: FilterStepName;
  /** Number of examples, which are pairs in one order. */
  readonly examples: number;
  /** Number of selected judgments; undefined before they are selected. */
  readonly judgments?: number;
}
export type FilterStepName =
  | 'judged'
  | 'with a majority'
  | 'with a correct judgment'
  | 'with a reasoned judgment'
  | 'above the majority threshold'
  | 'position-consistent'
  | 'within the pass rate'
  | 'after balancing'
  | 'after mixing';

/** How a training set was made; part of its manifest. */
export interface FilterStatistics {
  /** The steps that the configuration turns on, in their order. */
  readonly steps: readonly FilterStep[];
  /** Sampled judgments: their number, and the mean for each judged example. */
  readonly samples: { readonly drawn: number; readonly perExample: number };
  /** Number of examples by the number of their sampled judgments. */
  readonly examplesBySamples: Readonly<Record<string, number>>;
  /** Element k is the number of examples with k correct judgments of all N; only if all N were sampled. */
  readonly examplesByCorrect?: readonly number[];
  /** Number of training examples by the side of their verdict. */
  readonly sides: { readonly A: number; readonly B: number };
  /** Number of training examples by the source of their pair. */
  readonly sources: Readonly<Record<string, number>>;
  /** The judgments with reasoning before their verdict; absent if the training set has no judgments, as that of GRPO. */
  readonly reasoned?: ReasonedStatistics;
  /** The tasks beyond pairs, apart from the pairs; absent if none is learned. */
  readonly tasks?: readonly TaskStatistics[];
}

/** How many judgments are reasoned: have at least `words` words before their verdict. The others are guesses. */
interface ReasonedStatistics {
  readonly words: number;
  /** Judgments with the correct verdict: all, and the reasoned ones. */
  readonly correct: ReasonedCount;
  /** Judgments in the training set. */
  readonly trained: ReasonedCount;
}

interface ReasonedCount {
  readonly judgments: number;
  readonly reasoned: number;
}

/** A line of the training set's `examples.jsonl`: how hard one example was, and why it is not in the training set. */
export interface ExampleOutcome {
  readonly id: string;
  readonly judgments: number;
  /** Judgments that agree with the known better side. */
  readonly correct: number;
  /** Those of them with reasoning before their verdict. */
  readonly reasoned: number;
  readonly kept: number;
  readonly dropped?: DropReason;
}

/** The filtering step that drops examples for a reason. */
const STEP_OF: Readonly<Record<DropReason, FilterStepName>> = {
  'no judgment': 'judged',
  'no majority': 'with a majority',
  'no correct judgment': 'with a correct judgment',
  'no reasoned judgment': 'with a reasoned judgment',
  'below the majority threshold': 'above the majority threshold',
  'not position-consistent': 'position-consistent',
};

/** The outcomes of a pair's examples. `choices` has the same order as `orders`. */
export function exampleOutcomes(
  orders: readonly JudgedExample<CountedJudgment & { readonly correct: boolean }>[],
  choices: readonly JudgmentSelection<CountedJudgment>[],
  reasonedWords: number,
): ExampleOutcome[] {
  return orders.map(({ example, judgments }, index) => {
    const { kept, dropped } = choices[index] ?? {};
    return {
      id: example.id,
      judgments: judgments.length,
      correct: count(judgments, ({ correct }) => correct),
      reasoned: count(
        judgments,
        ({ correct, wordsBeforeVerdict }) => correct && wordsBeforeVerdict >= reasonedWords,
      ),
      kept: kept?.length ?? 0,
      ...(dropped === undefined ? {} : { dropped }),
    };
  });
}

/** Counts what each filtering step kept. */
export function filterStatistics({
  outcomes,
  steps,
  later,
  selected,
  samples,
  reasonedWords,
}: {
  readonly outcomes: readonly ExampleOutcome[];
  /** The selection steps that are turned on. */
  readonly steps: ReadonlySet<FilterStepName>;
  /** The judgments that remain after each later step. */
  readonly later: readonly {
    readonly step: FilterStepName;
    readonly remaining: readonly SelectedJudgment[];
  }[];
  readonly selected: readonly SelectedJudgment[];
  /** N, if all N were sampled of every example. */
  readonly samples: number | undefined;
  /** The number of words before the verdict of a reasoned judgment. */
  readonly reasonedWords: number;
}): FilterStatistics {
  return {
    steps: [
      ...selectionSteps(outcomes, steps),
      ...later.map(({ step, remaining }) => ({
        step,
        examples: new Set(remaining.map(({ exampleId }) => exampleId)).size,
        judgments: remaining.length,
      })),
    ],
    ...sampleStatistics(outcomes, samples),
    ...originStatistics(selected),
    reasoned: {
      words: reasonedWords,
      correct: {
        judgments: sum(outcomes.map(({ correct }) => correct)),
        reasoned: sum(outcomes.map(({ reasoned }) => reasoned)),
      },
      trained: { judgments: selected.length, reasoned: count(selected, ({ isReasoned }) => isReasoned) },
    },
  };
}

/**
 * Counts the sampled judgments.
 * @param samples N, if all N were sampled of every example
 */
export function sampleStatistics(
  outcomes: readonly Pick<ExampleOutcome, 'judgments' | 'correct'>[],
  samples: number | undefined,
): Pick<FilterStatistics, 'samples' | 'examplesBySamples' | 'examplesByCorrect'> {
  const judged = outcomes.filter(({ judgments }) => judgments > 0);
  const sampled = sum(judged.map(({ judgments }) => judgments));
  const byCorrect = countBy(judged, ({ correct }) => correct);
  return {
    samples: { drawn: sampled, perExample: judged.length === 0 ? 0 : sampled / judged.length },
    examplesBySamples: countBy(judged, ({ judgments }) => judgments),
    ...(samples === undefined
      ? {}
      : { examplesByCorrect: Array.from({ length: samples + 1 }, (_, correct) => byCorrect[correct] ?? 0) }),
  };
}

/** Counts the training examples by side and by source. */
export function originStatistics(
  trained: readonly Pick<KeptJudgment, 'side' | 'source'>[],
): Pick<FilterStatistics, 'sides' | 'sources'> {
  return {
    sides: { A: count(trained, ({ side }) => side === 'A'), B: count(trained, ({ side }) => side === 'B') },
    sources: countBy(trained, ({ source }) => source),
  };
}

function selectionSteps(
  outcomes: readonly ExampleOutcome[],
  steps: ReadonlySet<FilterStepName>,
): FilterStep[] {
  const shown: FilterStep[] = [];
  let examples = outcomes.length;
  for (const reason of DROP_REASONS) {
    examples -= count(outcomes, ({ dropped }) => dropped === reason);
    const step = STEP_OF[reason];
    if (steps.has(step)) shown.push({ step, examples });
  }
  const last = shown.pop();
  return last === undefined ? [] : [...shown, { ...last, judgments: sum(outcomes.map(({ kept }) => kept)) }];
}

/** A kept judgment and the id of its example. */
export interface SelectedJudgment extends KeptJudgment {
  readonly exampleId: string;
  /** True if it has reasoning before its verdict. */
  readonly isReasoned: boolean;
}

function countBy<T, K extends string | number>(items: readonly T[], key: (item: T) => K): Record<K, number> {
  const groups = [...Map.groupBy(items, key)].map(([name, all]) => [name, all.length] as const);
  return Object.fromEntries(groups) as Record<K, number>;
}

function count<T>(items: readonly T[], holds: (item: T) => boolean): number {
  return items.filter(holds).length;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
