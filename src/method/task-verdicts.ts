/** Combines a judge's answers to a task beyond pairs. Client, command line and benchmarks share this code. */
import { missingVerdict } from './missing-verdict.ts';
import type { VotingOptions } from './pair-comparison.ts';
import type { ReasoningMarks } from './reasoning.ts';
import { letterOf, parseTaskVerdict, type TaskName, taskVerdictForm } from './tasks.ts';

/** A score; the index of the best response; whether a response is correct. `none` if there is no verdict, or a draw. */
export type TaskValue = number | 'correct' | 'incorrect' | 'none';

/** One judgment: its text and verdict. */
export interface TaskJudgment {
  readonly text: string;
  /** The reasoning that the server returned apart from the text. */
  readonly reasoning?: string;
  /** Refers to the responses in their original order. */
  readonly verdict: TaskValue;
  /** Why there is no verdict (missing-verdict.ts). */
  readonly missing?: string;
  readonly finishReason: string;
}

/** The judgments on the responses in one order. */
export interface TaskTurn {
  /** The responses in the order in which the judge saw them, as indexes of their original order. */
  readonly shown: readonly number[];
  readonly verdict: TaskValue;
  readonly judgments: readonly TaskJudgment[];
}

/** A judge's verdict on the responses of a record. */
export interface TaskVerdict {
  readonly verdict: TaskValue;
  /** For rankings: each response's share of the verdicts; 0 for all if there is no verdict. */
  readonly points?: readonly number[];
  /** True if the verdict is the same in all turns; null if there was one turn, or one has no verdict. */
  readonly consistent: boolean | null;
  readonly turns: readonly TaskTurn[];
}

/**
 * The orders in which the responses of a record are shown. With `both`, each of several responses takes every place once, by
 * turns with the others.
 */
export function requestedTurns(
  responses: number,
  { orders }: Pick<VotingOptions, 'orders'>,
): readonly (readonly number[])[] {
  const all = Array.from({ length: responses }, (_, turn) =>
    Array.from({ length: responses }, (_response, place) => (place + turn) % responses),
  );
  return orders === 'both' ? all : all.slice(0, 1);
}

/** Parses the judgments of one turn and combines them. */
export function taskTurn(
  task: TaskName,
  shown: readonly number[],
  texts: readonly Pick<TaskJudgment, 'text' | 'reasoning' | 'finishReason'>[],
  marks?: readonly ReasoningMarks[],
): TaskTurn {
  const judgments = texts.map(({ text, reasoning, finishReason }): TaskJudgment => {
    const found = parseTaskVerdict(task, text, shown.length, marks);
    const missing =
      found === undefined
        ? missingVerdict({ text, reasoning, finishReason }, marks, taskVerdictForm(task))
        : undefined;
    return {
      text,
      ...(reasoning === undefined ? {} : { reasoning }),
      verdict: valueOf(task, found, shown),
      ...(missing === undefined ? {} : { missing }),
      finishReason,
    };
  });
  return {
    shown,
    verdict: combined(
      task,
      judgments.map(({ verdict }) => verdict),
    ),
    judgments,
  };
}

/** Combines the turns of a record: each has one vote. */
export function taskVerdict(task: TaskName, turns: readonly TaskTurn[]): TaskVerdict {
  const verdicts = turns.map(({ verdict }) => verdict);
  const comparable = turns.length > 1 && !verdicts.includes('none');
  return {
    verdict: combined(task, verdicts),
    ...(task === 'rank' ? { points: pointsOf(turns) } : {}),
    consistent: comparable ? new Set(verdicts).size === 1 : null,
    turns,
  };
}

function valueOf(task: TaskName, found: string | undefined, shown: readonly number[]): TaskValue {
  if (found === undefined) return 'none';
  if (task === 'score') return Number(found);
  if (task === 'verify') return found === 'correct' ? 'correct' : 'incorrect';
  return shown.find((_, place) => letterOf(place) === found) ?? 'none';
}

/** The mean of scores; of other verdicts the most frequent one, and none for a draw. Missing verdicts don't count. */
function combined(task: TaskName, verdicts: readonly TaskValue[]): TaskValue {
  const found = verdicts.filter((verdict) => verdict !== 'none');
  if (found.length === 0) return 'none';
  if (task === 'score') return found.reduce<number>((sum, score) => sum + Number(score), 0) / found.length;
  const counts = [...Map.groupBy(found, (verdict) => verdict)].map(([verdict, { length }]) => ({
    verdict,
    length,
  }));
  const most = Math.max(...counts.map(({ length }) => length));
  const [leading, ...others] = counts.filter(({ length }) => length === most);
  return leading === undefined || others.length > 0 ? 'none' : leading.verdict;
}

/** Each response's share of the judgments that have a verdict. */
function pointsOf(turns: readonly TaskTurn[]): number[] {
  const verdicts = turns.flatMap(({ judgments }) =>
    judgments.flatMap(({ verdict }) => (verdict === 'none' ? [] : [verdict])),
  );
  return (turns[0]?.shown ?? []).map(
    (_, index) => verdicts.filter((verdict) => verdict === index).length / Math.max(1, verdicts.length),
  );
}
