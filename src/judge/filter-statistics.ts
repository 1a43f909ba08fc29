import { DROP_REASONS, type Choice, type DropReason, type JudgedExample } from './choose-judgments.ts';
import type { KeptJudgment } from './mix-sources.ts';
import type { SampledJudgment } from './rejection-sampling.ts';

/** What is left of a training set's examples after one step of filtering. */
export interface FilterStep {
  readonly step: FilterStepName;
  /** Examples: pairs in one order. */
  readonly examples: number;
  /** Their judgments that teach; undefined before any are chosen. */
  readonly judgments?: number;
}
export type FilterStepName =
  | 'are judged'
  | 'have a majority'
  | 'have a right judgment'
  | 'reach the majority threshold'
  | 'are position-consistent'
  | 'are left after balance'
  | 'are left after mixing';

/** How a training set came about, in its manifest's summary. */
export interface FilterStatistics {
  /** The steps that were asked for, in their order. */
  readonly steps: readonly FilterStep[];
  /** Judgments drawn, and the mean for each judged example. */
  readonly samples: { readonly drawn: number; readonly perExample: number };
  /** Examples by the number of judgments that were drawn of them. */
  readonly examplesBySamples: Readonly<Record<string, number>>;
  /** Element k counts the examples with k right judgments of all N; only where all N were drawn. */
  readonly examplesByRight?: readonly number[];
  /** Training examples by the side that they answer. */
  readonly sides: { readonly A: number; readonly B: number };
  /** Training examples by the source of their pair. */
  readonly sources: Readonly<Record<string, number>>;
}

/** What became of one example, as a line of the training set's `examples.jsonl`: how hard it was, and why it is not taught. */
export interface ExampleOutcome {
  readonly id: string;
  readonly judgments: number;
  /** Judgments that agree with the construction or the human label. */
  readonly right: number;
  readonly kept: number;
  readonly dropped?: DropReason;
}

/** The step at which examples leave for a reason. */
const STEP_OF: Readonly<Record<DropReason, FilterStepName>> = {
  'no judgment': 'are judged',
  'no majority': 'have a majority',
  'no right judgment': 'have a right judgment',
  'below the majority threshold': 'reach the majority threshold',
  'not position-consistent': 'are position-consistent',
};

/** What became of a pair's examples; `choices` in the order of `orders`. */
export function outcomesOf(
  orders: readonly JudgedExample<SampledJudgment & { readonly right: boolean }>[],
  choices: readonly Choice<SampledJudgment>[],
): ExampleOutcome[] {
  return orders.map(({ example, judgments }, index) => {
    const { kept, dropped } = choices[index] ?? {};
    return {
      id: example.id,
      judgments: judgments.length,
      right: count(judgments, ({ right }) => right),
      kept: kept?.length ?? 0,
      ...(dropped === undefined ? {} : { dropped }),
    };
  });
}

/** Counts how a training set came about. */
export function filterStatistics({
  outcomes,
  steps,
  later,
  taught,
  samples,
}: {
  readonly outcomes: readonly ExampleOutcome[];
  /** The steps of choosing that are on. */
  readonly steps: ReadonlySet<FilterStepName>;
  /** What was left after each step that follows. */
  readonly later: readonly { readonly step: FilterStepName; readonly left: readonly TaughtExample[] }[];
  readonly taught: readonly TaughtExample[];
  /** N, where all N were drawn of every example. */
  readonly samples: number | undefined;
}): FilterStatistics {
  const judged = outcomes.filter(({ judgments }) => judgments > 0);
  const drawn = sum(judged.map(({ judgments }) => judgments));
  const byRight = countBy(judged, ({ right }) => right);
  return {
    steps: [
      ...stepsOfChoosing(outcomes, steps),
      ...later.map(({ step, left }) => ({
        step,
        examples: new Set(left.map(({ exampleId }) => exampleId)).size,
        judgments: left.length,
      })),
    ],
    samples: { drawn, perExample: judged.length === 0 ? 0 : drawn / judged.length },
    examplesBySamples: countBy(judged, ({ judgments }) => judgments),
    ...(samples === undefined
      ? {}
      : { examplesByRight: Array.from({ length: samples + 1 }, (_, right) => byRight[right] ?? 0) }),
    sides: { A: count(taught, ({ side }) => side === 'A'), B: count(taught, ({ side }) => side === 'B') },
    sources: countBy(taught, ({ source }) => source),
  };
}

function stepsOfChoosing(
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

/** A kept judgment with the example that it is of. */
export interface TaughtExample extends KeptJudgment {
  readonly exampleId: string;
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
