import { clusterValues, type Interval, shareInterval } from './intervals.ts';

/** The agreement of labels, by itself and beyond chance. */
export interface Agreement {
  /** Number of items that are compared. */
  readonly items: number;
  /** The share of items on which they agree; for more than two raters, the mean share of pairs of raters. */
  readonly agreement: number;
  readonly agreementInterval: Interval;
  /** 1 for full agreement, 0 for as much as by chance; null if all labels are the same, so that nothing can be told. */
  readonly kappa: number | null;
  readonly kappaInterval: Interval | null;
}

/** Two raters' labels of an item. */
export interface TwoLabels {
  /** Items of the same cluster are not independent of each other. */
  readonly cluster: string;
  readonly first: string;
  readonly second: string;
}

/** The labels of an item by any number of raters. */
export interface SeveralLabels {
  readonly cluster: string;
  readonly labels: readonly string[];
}

/**
 * Cohen's kappa (1960), unweighted. The agreement by chance follows from how often each of the two gives each label.
 * @returns undefined if there are no items
 */
export function cohensKappa(items: readonly TwoLabels[]): Agreement | undefined {
  if (items.length === 0) return undefined;
  const [first, second] = [
    frequencies(items.map((item) => item.first)),
    frequencies(items.map((item) => item.second)),
  ];
  const chance = [...first].reduce((sum, [label, share]) => sum + share * (second.get(label) ?? 0), 0);
  const values = items.map((item) => ({ cluster: item.cluster, value: Number(item.first === item.second) }));
  return beyondChance(values, chance);
}

/**
 * Fleiss' kappa (1971) of any number of raters, who need not be the same for each item. Items with fewer than two labels
 * don't count.
 * @returns undefined if no item has two labels
 */
export function fleissKappa(items: readonly SeveralLabels[]): Agreement | undefined {
  const rated = items.filter(({ labels }) => labels.length > 1);
  if (rated.length === 0) return undefined;
  const chance = [...frequencies(rated.flatMap(({ labels }) => labels)).values()].reduce(
    (sum, share) => sum + share ** 2,
    0,
  );
  return beyondChance(
    rated.map(({ cluster, labels }) => ({ cluster, value: pairwiseAgreement(labels) })),
    chance,
  );
}

/** The share of pairs of raters with the same label. */
function pairwiseAgreement(labels: readonly string[]): number {
  const counts = [...Map.groupBy(labels, (label) => label).values()].map(({ length }) => length);
  const agreeing = counts.reduce((sum, count) => sum + count * (count - 1), 0);
  return agreeing / (labels.length * (labels.length - 1));
}

/**
 * Corrects an agreement for chance. The interval of kappa is that of the agreement, corrected in the same way: the
 * agreement by chance is known much better than the agreement. So it also works near full agreement.
 */
function beyondChance(
  values: readonly { readonly cluster: string; readonly value: number }[],
  chance: number,
): Agreement {
  const agreement = values.reduce((sum, { value }) => sum + value, 0) / values.length;
  const agreementInterval = shareInterval(clusterValues(values));
  // Rounding can leave a little less than 1.
  const isDefined = chance < 1 - 1e-9;
  const correct = (share: number) => Math.max(-1, (share - chance) / (1 - chance));
  return {
    items: values.length,
    agreement,
    agreementInterval,
    kappa: isDefined ? correct(agreement) : null,
    kappaInterval: isDefined
      ? { low: correct(agreementInterval.low), high: correct(agreementInterval.high) }
      : null,
  };
}

/** The share of each label. */
function frequencies(labels: readonly string[]): Map<string, number> {
  const groups = Map.groupBy(labels, (label) => label);
  return new Map([...groups].map(([label, { length }]) => [label, length / labels.length]));
}
