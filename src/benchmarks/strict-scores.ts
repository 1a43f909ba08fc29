import type { GroupScores, ItemOutcome, StrictScores } from './benchmark.ts';
import type { Cluster } from './bootstrap.ts';
import { shareInterval } from './intervals.ts';

/** The verdicts of one text by both rules. A letter names a response; other values, such as `tie` or a rating, don't. */
export interface ParsedText<Verdict extends string = string> {
  readonly strict: Verdict | undefined;
  readonly official: Verdict | undefined;
  /** Why there is no verdict by the strict rule. */
  readonly missing?: string;
  /** The number of words, those of reasoning that came apart among them. */
  readonly words: number;
}

/** One answer of the judge, graded by the strict rule. */
export interface GradedAnswer {
  readonly correct: boolean;
  /** The position of the better response; `none` if the judge sees one response at a time. */
  readonly position: 'first' | 'later' | 'none';
  readonly texts: readonly ParsedText[];
}

/** A pair, or another unit that a benchmark counts, with the judge's answers in every order. */
export interface GradedItem {
  readonly id: string;
  readonly subset: string;
  /** The cluster of items that are not independent of each other, such as their question; by default the item's own id. */
  readonly cluster?: string;
  readonly answers: readonly GradedAnswer[];
}

/**
 * Computes the scores by the strict rule, with 95% intervals that count the items of a cluster by their effective number.
 *
 * @param name the group of pairs, for the error message
 * @throws RangeError if there are no pairs
 */
export function strictScores(graded: readonly GradedItem[], name: string): StrictScores {
  if (graded.length === 0) throw new RangeError(`no pairs to score in ${name}`);
  const outcomes = graded.map(itemOutcome);
  const answers = graded.flatMap((item) => item.answers);
  const intervalOf = (figure: 'accuracy' | 'consistent', answersPerItem: number) =>
    shareInterval(
      clustersOf(outcomes, (outcome) => [outcome[figure]]).map(({ items, sums: [sum = 0] }) => ({
        items,
        sum,
      })),
      answersPerItem,
    );
  const accuracyAt = (position: GradedAnswer['position']) => {
    const atPosition = answers.filter((answer) => answer.position === position);
    return atPosition.length === 0 ? null : share(atPosition, ({ correct }) => correct);
  };
  const texts = answers.flatMap((answer) => answer.texts);
  const namingResponse = texts.filter(({ strict }) => strict !== undefined && /^[A-Z]$/.test(strict));
  return {
    pairs: graded.length,
    accuracy: mean(outcomes.map(({ accuracy }) => accuracy)),
    accuracyInterval: intervalOf('accuracy', answers.length / graded.length),
    positionConsistentAccuracy: mean(outcomes.map(({ consistent }) => consistent)),
    positionConsistentAccuracyInterval: intervalOf('consistent', 1),
    betterFirstAccuracy: accuracyAt('first'),
    worseFirstAccuracy: accuracyAt('later'),
    shareOfA: namingResponse.length === 0 ? null : share(namingResponse, ({ strict }) => strict === 'A'),
    unparsable: share(texts, ({ strict }) => strict === undefined),
    parserDisagreement: share(texts, ({ strict, official }) => strict !== official),
  };
}

/** The scores of each group of pairs, sorted by name. Pairs without a group are ignored. */
export function groupScores(
  graded: readonly GradedItem[],
  groupOf: (item: GradedItem) => string | undefined,
): GroupScores[] {
  const groups = new Map<string, GradedItem[]>();
  for (const item of graded) {
    const name = groupOf(item);
    if (name === undefined) continue;
    const group = groups.get(name);
    if (group) group.push(item);
    else groups.set(name, [item]);
  }
  return [...groups]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, group]) => ({ name, ...strictScores(group, name) }));
}

/** The outcome of an item, for the comparison with another judge. */
export function itemOutcome({ id, cluster, answers }: GradedItem): ItemOutcome {
  return {
    id,
    ...(cluster === undefined ? {} : { cluster }),
    accuracy: share(answers, ({ correct }) => correct),
    consistent: answers.length > 0 && answers.every(({ correct }) => correct) ? 1 : 0,
  };
}

/** Groups outcomes by cluster. */
export function clustersOf<Outcome extends { id: string; cluster?: string }>(
  outcomes: readonly Outcome[],
  figuresOf: (outcome: Outcome) => readonly number[],
): Cluster[] {
  const clusters = new Map<string, { items: number; sums: number[] }>();
  for (const outcome of outcomes) {
    const figures = figuresOf(outcome);
    const name = outcome.cluster ?? outcome.id;
    const cluster = clusters.get(name) ?? { items: 0, sums: figures.map(() => 0) };
    cluster.items += 1;
    figures.forEach((figure, index) => (cluster.sums[index] = (cluster.sums[index] ?? 0) + figure));
    clusters.set(name, cluster);
  }
  return [...clusters.values()];
}

/** The mean; NaN for an empty list. */
export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** The mean; null for an empty list, because JSON has no NaN. */
export function meanOrNull(values: readonly number[]): number | null {
  return values.length === 0 ? null : mean(values);
}

function share<T>(items: readonly T[], holds: (item: T) => boolean): number {
  return items.length === 0 ? 0 : items.filter(holds).length / items.length;
}
