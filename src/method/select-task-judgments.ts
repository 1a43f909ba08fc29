/** Selects the judgments of tasks beyond pairs that a judge learns. */
import { balanceSides } from './balance.ts';
import { inSelectionOrder, selectionOrderOf } from './rejection-sampling.ts';
import type { JudgmentSelectionRules } from './select-judgments.ts';
import type { TaskExample } from './task-examples.ts';
import { TASK_NAMES, type TaskName } from './tasks.ts';

/** A sampled judgment of a record, with what decides whether it is learned. */
export interface CountedTaskJudgment {
  readonly id: string;
  readonly sample: number;
  readonly text: string;
  readonly verdict: string;
  readonly correct: boolean;
  readonly wordsBeforeVerdict: number;
}

/** An example of a task with its sampled judgments. */
export interface JudgedTaskExample<J extends CountedTaskJudgment = CountedTaskJudgment> {
  readonly example: TaskExample;
  readonly judgments: readonly J[];
}

/** The counts of a task's judgments, and of those that are learned; part of a training set's manifest. */
export interface TaskStatistics {
  readonly task: TaskName;
  readonly records: number;
  /** The records in the orders in which they were judged. */
  readonly examples: number;
  readonly judgments: number;
  /** Judgments with the right verdict that are not truncated. */
  readonly correct: number;
  readonly withoutVerdict: number;
  /** Examples with a judgment that the rules keep; if the training samples judgments itself, with a right one. */
  readonly kept: number;
  /** Judgments in the training set; if the training samples them itself, prompts. */
  readonly trained: number;
}

type Rules = Pick<
  JudgmentSelectionRules,
  'strategy' | 'judgmentsPerExample' | 'majorityThreshold' | 'minReasoning'
>;

interface SelectedTaskJudgment {
  readonly id: string;
  readonly task: TaskName;
  readonly label: string;
}

/** Counts the judgments of records, one record at a time. */
export class TaskCounter {
  readonly #counts = new Map<
    TaskName,
    Omit<{ -readonly [K in keyof TaskStatistics]: number }, 'task' | 'trained'>
  >();

  /**
   * @param orders all examples of a record
   * @param isKept whether an example has a judgment that is kept
   */
  add(orders: readonly JudgedTaskExample[], isKept: (example: JudgedTaskExample) => boolean): void {
    const [first] = orders;
    if (first === undefined) return;
    const { task } = first.example;
    const counts = this.#counts.get(task) ?? {
      ...{ records: 0, examples: 0, judgments: 0, correct: 0, withoutVerdict: 0, kept: 0 },
    };
    this.#counts.set(task, counts);
    counts.records += 1;
    for (const example of orders) {
      const { judgments } = example;
      counts.examples += 1;
      counts.judgments += judgments.length;
      counts.correct += judgments.filter(({ correct }) => correct).length;
      counts.withoutVerdict += judgments.filter(({ verdict }) => verdict === 'none').length;
      counts.kept += Number(isKept(example));
    }
  }

  /** The statistics of each task. */
  statistics(trained: readonly { readonly task: TaskName }[]): readonly TaskStatistics[] {
    return TASK_NAMES.flatMap((task) => {
      const counts = this.#counts.get(task);
      if (counts === undefined) return [];
      return [{ task, ...counts, trained: trained.filter((each) => each.task === task).length }];
    });
  }
}

/** Selects judgments, one record at a time. */
export class TaskSelection {
  readonly #rules: Rules;
  readonly #seed: number;
  readonly #counter = new TaskCounter();
  readonly #selected: SelectedTaskJudgment[] = [];

  constructor(rules: Rules, seed: number) {
    this.#rules = rules;
    this.#seed = seed;
  }

  /** @param orders all examples of a record */
  add(orders: readonly JudgedTaskExample[]): void {
    this.#counter.add(orders, ({ example: { task, label }, judgments }) => {
      const kept = this.#keep(judgments);
      this.#selected.push(...kept.map(({ id }) => ({ id, task, label })));
      return kept.length > 0;
    });
  }

  /**
   * The ids of the judgments that are learned, and the statistics of each task.
   * @param balance whether as many responses are learned to be correct as incorrect
   */
  result(balance: boolean): { readonly ids: ReadonlySet<string>; readonly tasks: readonly TaskStatistics[] } {
    const learned = balance ? this.#balanced() : this.#selected;
    return { ids: new Set(learned.map(({ id }) => id)), tasks: this.#counter.statistics(learned) };
  }

  #keep(judgments: readonly CountedTaskJudgment[]): readonly CountedTaskJudgment[] {
    const { strategy, judgmentsPerExample, majorityThreshold, minReasoning } = this.#rules;
    const correct = judgments.filter((judgment) => judgment.correct);
    if (majorityThreshold !== null && correct.length / judgments.length < majorityThreshold) return [];
    const learned = correct.filter(({ wordsBeforeVerdict }) => wordsBeforeVerdict >= (minReasoning ?? 0));
    return inSelectionOrder(learned, selectionOrderOf(strategy, this.#seed), 'keep').slice(
      0,
      judgmentsPerExample,
    );
  }

  /** Verdicts on single responses are balanced as the sides of pairs are; of several responses each takes every place anyway. */
  #balanced(): readonly SelectedTaskJudgment[] {
    const verified = this.#selected.filter(({ task }) => task === 'verify');
    const sides = verified.map(({ id, label }) => ({
      id,
      side: label === 'correct' ? ('A' as const) : ('B' as const),
    }));
    const kept = new Set(balanceSides(sides, this.#seed).map(({ id }) => id));
    return this.#selected.filter(({ id, task }) => task !== 'verify' || kept.has(id));
  }
}
