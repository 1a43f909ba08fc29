import { samplingSeed } from '../judge/seeds.ts';
import type { GroupScores, Interval, ItemOutcome, StrictScores } from './benchmark.ts';
import { bootstrapIntervals, type Cluster } from './bootstrap.ts';

/** What both rules read in one text. A letter names a response; `tie`, a rating and the like don't. */
export interface ReadText {
  readonly strict: string | undefined;
  readonly official: string | undefined;
}

/** One answer of the judge, counted by our rule. */
export interface GradedAnswer {
  readonly right: boolean;
  /** Where the better response stood; `none` where the judge saw one response at a time. */
  readonly place: 'first' | 'later' | 'none';
  readonly texts: readonly ReadText[];
}

/** A pair, or whatever a benchmark counts in its place, with the judge's answers in every order. */
export interface Graded {
  readonly id: string;
  readonly subset: string;
  /** What it shares with others that are not independent of it, such as its question; its own id by default. */
  readonly cluster?: string;
  readonly answers: readonly GradedAnswer[];
}

/**
 * The figures by our own rule, with 95% bootstrap intervals over pairs, or over what pairs share.
 *
 * @param name what the pairs are; it only varies the draws of the bootstrap
 * @throws RangeError when there are no pairs
 */
export function strictScores(graded: readonly Graded[], name: string, seed: number): StrictScores {
  if (graded.length === 0) throw new RangeError(`no pairs to score in ${name}`);
  const outcomes = graded.map(outcomeOf);
  const [accuracyInterval, positionConsistentAccuracyInterval] = bootstrapIntervals(
    clustersOf(outcomes, ({ accuracy, consistent }) => [accuracy, consistent]),
    samplingSeed(seed, 'bootstrap', name),
  ) as [Interval, Interval];
  const answers = graded.flatMap((one) => one.answers);
  const accuracyAt = (place: GradedAnswer['place']) => {
    const there = answers.filter((answer) => answer.place === place);
    return there.length === 0 ? null : share(there, ({ right }) => right);
  };
  const texts = answers.flatMap((answer) => answer.texts);
  const naming = texts.filter(({ strict }) => strict !== undefined && /^[A-Z]$/.test(strict));
  return {
    pairs: graded.length,
    accuracy: mean(outcomes.map(({ accuracy }) => accuracy)),
    accuracyInterval,
    positionConsistentAccuracy: mean(outcomes.map(({ consistent }) => consistent)),
    positionConsistentAccuracyInterval,
    betterFirstAccuracy: accuracyAt('first'),
    worseFirstAccuracy: accuracyAt('later'),
    shareOfA: naming.length === 0 ? null : share(naming, ({ strict }) => strict === 'A'),
    unparsable: share(texts, ({ strict }) => strict === undefined),
    rulesDiffer: share(texts, ({ strict, official }) => strict !== official),
  };
}

/** The figures of each group of pairs, sorted by name; pairs without a group are left out. */
export function groupScores(
  graded: readonly Graded[],
  groupOf: (one: Graded) => string | undefined,
  seed: number,
): GroupScores[] {
  const groups = new Map<string, Graded[]>();
  for (const one of graded) {
    const name = groupOf(one);
    if (name === undefined) continue;
    const group = groups.get(name);
    if (group) group.push(one);
    else groups.set(name, [one]);
  }
  return [...groups]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, group]) => ({ name, ...strictScores(group, name, seed) }));
}

/** How an item came out, for a comparison with another judge. */
export function outcomeOf({ id, cluster, answers }: Graded): ItemOutcome {
  return {
    id,
    ...(cluster === undefined ? {} : { cluster }),
    accuracy: share(answers, ({ right }) => right),
    consistent: answers.length > 0 && answers.every(({ right }) => right) ? 1 : 0,
  };
}

/** Outcomes as the bootstrap draws them. */
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

/** The mean, or NaN of nothing. */
export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** The mean as a figure: null of nothing, because JSON has no NaN. */
export function meanOrNull(values: readonly number[]): number | null {
  return values.length === 0 ? null : mean(values);
}

function share<T>(items: readonly T[], holds: (item: T) => boolean): number {
  return items.length === 0 ? 0 : items.filter(holds).length / items.length;
}
