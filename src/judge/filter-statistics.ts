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

/** The step at which examples leave for a reason. */
const STEP_OF: Readonly<Record<DropReason, FilterStepName>> = {
  'no judgment': 'are judged',
  'no majority': 'have a majority',
  'no right judgment': 'have a right judgment',
  'below the majority threshold': 'reach the majority threshold',
  'not position-consistent': 'are position-consistent',
};

/** Counts choices as they stream by. */
export class FilterTally {
  #examples = 0;
  #keptExamples = 0;
  #keptJudgments = 0;
  #drawn = 0;
  readonly #dropped = new Map<DropReason, number>();
  readonly #bySamples = new Map<number, number>();
  readonly #byRight = new Map<number, number>();

  add(
    orders: readonly JudgedExample<SampledJudgment & { readonly right: boolean }>[],
    choices: readonly Choice<SampledJudgment>[],
  ): void {
    for (const { judgments } of orders) {
      this.#examples += 1;
      if (judgments.length === 0) continue;
      this.#drawn += judgments.length;
      increase(this.#bySamples, judgments.length);
      increase(this.#byRight, judgments.filter(({ right }) => right).length);
    }
    for (const { kept, dropped } of choices) {
      if (dropped === undefined) {
        this.#keptExamples += 1;
        this.#keptJudgments += kept.length;
      } else increase(this.#dropped, dropped);
    }
  }

  get examples(): number {
    return this.#examples;
  }

  get keptExamples(): number {
    return this.#keptExamples;
  }

  statistics({
    steps,
    later,
    taught,
    samples,
  }: {
    /** The steps of choosing that are on. */
    steps: ReadonlySet<FilterStepName>;
    /** What was left after each step that follows. */
    later: readonly { readonly step: FilterStepName; readonly left: readonly TaughtExample[] }[];
    taught: readonly TaughtExample[];
    /** N, where all N were drawn of every example. */
    samples: number | undefined;
  }): FilterStatistics {
    const judged = this.#examples - (this.#dropped.get('no judgment') ?? 0);
    return {
      steps: [
        ...this.#stepsOfChoosing(steps),
        ...later.map(({ step, left }) => ({
          step,
          examples: new Set(left.map(({ exampleId }) => exampleId)).size,
          judgments: left.length,
        })),
      ],
      samples: { drawn: this.#drawn, perExample: judged === 0 ? 0 : this.#drawn / judged },
      examplesBySamples: Object.fromEntries([...this.#bySamples].sort(([a], [b]) => a - b)),
      ...(samples === undefined
        ? {}
        : { examplesByRight: Array.from({ length: samples + 1 }, (_, k) => this.#byRight.get(k) ?? 0) }),
      sides: { A: count(taught, ({ side }) => side === 'A'), B: count(taught, ({ side }) => side === 'B') },
      sources: Object.fromEntries(
        [...Map.groupBy(taught, ({ source }) => source)].map(([source, all]) => [source, all.length]),
      ),
    };
  }

  #stepsOfChoosing(steps: ReadonlySet<FilterStepName>): FilterStep[] {
    const shown: FilterStep[] = [];
    let examples = this.#examples;
    for (const reason of DROP_REASONS) {
      examples -= this.#dropped.get(reason) ?? 0;
      const step = STEP_OF[reason];
      if (steps.has(step)) shown.push({ step, examples });
    }
    const last = shown.pop();
    return last === undefined ? [] : [...shown, { ...last, judgments: this.#keptJudgments }];
  }
}

/** A kept judgment with the example that it is of. */
export interface TaughtExample extends KeptJudgment {
  readonly exampleId: string;
}

function increase<K>(counts: Map<K, number>, key: K): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}

function count<T>(items: readonly T[], holds: (item: T) => boolean): number {
  return items.filter(holds).length;
}
