import { samplingSeed } from '../judge/seeds.ts';
import type { GroupScores, StrictScores } from './benchmark.ts';
import { bootstrapIntervals } from './bootstrap.ts';
import type { JudgedPair, OrderVerdict } from './verdicts.ts';

/**
 * The figures by our own rule, with 95% bootstrap intervals over pairs.
 *
 * @param name what the pairs are; it only varies the draws of the bootstrap
 * @throws RangeError when there are no pairs
 */
export function strictScores(judged: JudgedPair[], name: string, seed: number): StrictScores {
  if (judged.length === 0) throw new RangeError(`no pairs to score in ${name}`);
  const betterFirst = judged.map(({ orders }) => rightness(orders['better-first']));
  const worseFirst = judged.map(({ orders }) => rightness(orders['worse-first']));
  const items = judged.map((_, i) => {
    const [first, second] = [betterFirst[i] ?? 0, worseFirst[i] ?? 0];
    return [(first + second) / 2, first * second];
  });
  const [accuracyInterval, positionConsistentAccuracyInterval] = bootstrapIntervals(
    items,
    samplingSeed(seed, 'bootstrap', name),
  );
  if (!accuracyInterval || !positionConsistentAccuracyInterval)
    throw new Error('two figures have two intervals');
  const texts = judged.flatMap(({ orders }) => [
    ...orders['better-first'].texts,
    ...orders['worse-first'].texts,
  ]);
  const decided = texts.filter((text) => text.strict !== undefined);
  return {
    pairs: judged.length,
    accuracy: mean([...betterFirst, ...worseFirst]),
    accuracyInterval,
    positionConsistentAccuracy: mean(items.map(([, both]) => both ?? 0)),
    positionConsistentAccuracyInterval,
    betterFirstAccuracy: mean(betterFirst),
    worseFirstAccuracy: mean(worseFirst),
    shareOfA: decided.length === 0 ? null : share(decided, (text) => text.strict === 'A'),
    unparsable: share(texts, (text) => text.strict === undefined),
    rulesDiffer: share(texts, (text) => text.strict !== text.official),
  };
}

/** The figures of each group of pairs, sorted by name; pairs without a group are left out. */
export function groupScores(
  judged: JudgedPair[],
  groupOf: (subset: string) => string | undefined,
  seed: number,
): GroupScores[] {
  const groups = new Map<string, JudgedPair[]>();
  for (const one of judged) {
    const name = groupOf(one.pair.subset);
    if (name === undefined) continue;
    const group = groups.get(name);
    if (group) group.push(one);
    else groups.set(name, [one]);
  }
  return [...groups]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, group]) => ({ name, ...strictScores(group, name, seed) }));
}

function rightness(order: OrderVerdict): number {
  return order.strict === order.betterSide ? 1 : 0;
}

export function mean(values: number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function share<T>(items: T[], holds: (item: T) => boolean): number {
  return items.length === 0 ? 0 : items.filter(holds).length / items.length;
}
