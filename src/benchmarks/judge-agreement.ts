import type { Verdict } from '../method/verdict.ts';
import { type Agreement, cohensKappa, fleissKappa } from './kappa.ts';

/** The better response according to a person. */
export type Label = Exclude<Verdict, 'none'>;

/** A pair with the verdict of a judge and the labels of people. */
export interface LabelledVerdict {
  readonly id: string;
  /** Pairs of the same cluster are not independent of each other. */
  readonly cluster: string;
  readonly category?: string | undefined;
  readonly verdict: Verdict;
  /** The share of the judgments that have this verdict. */
  readonly confidence: number;
  /** The label of each rater, by name; a rater need not label every pair. */
  readonly labels: Readonly<Record<string, Label>>;
}

/** The agreement of a judge with one rater. */
export interface RaterAgreement extends Agreement {
  readonly rater: string;
  /** The rater's agreement with the majority of the other raters; absent if there are no other raters of the same pairs. */
  readonly withOthers?: Agreement;
  /** The judge's agreement with the same majority of the others, on the same pairs. */
  readonly judgeWithOthers?: Agreement;
}

/** A pair on which the judge and people disagree. */
export interface Disagreement {
  readonly id: string;
  readonly category?: string;
  readonly verdict: Verdict;
  readonly label: Label;
  /** The share of raters with this label. */
  readonly unanimity: number;
  readonly confidence: number;
}

/** The agreement of a judge with people. */
export interface JudgeAgreement {
  /** Number of pairs with a label. */
  readonly pairs: number;
  /** Number of pairs without a majority among their labels; they only count for single raters and between people. */
  readonly withoutMajority: number;
  /** With the label that most raters give. A pair without a verdict is a disagreement. */
  readonly judge: Agreement | null;
  readonly raters: readonly RaterAgreement[];
  /** Fleiss' kappa between people, and between them and the judge; null unless several people label the same pairs. */
  readonly betweenPeople: Agreement | null;
  readonly betweenPeopleAndJudge: Agreement | null;
  readonly categories: readonly (Agreement & { readonly name: string })[];
  /** The pairs to look at first: a decided judge against unanimous people. */
  readonly disagreements: readonly Disagreement[];
}

/**
 * Compares a judge with people. Accuracy is the agreement with the label of the majority.
 * @param shown the maximum number of disagreements
 */
export function judgeAgreement(verdicts: readonly LabelledVerdict[], shown: number): JudgeAgreement {
  const labelled = verdicts
    .filter(({ labels }) => Object.keys(labels).length > 0)
    .map((pair) => ({ ...pair, reference: majorityLabel(Object.values(pair.labels)) }));
  const decided = labelled.flatMap((pair) =>
    pair.reference === undefined ? [] : [{ ...pair, reference: pair.reference }],
  );
  const withReference = (pairs: typeof decided) =>
    cohensKappa(
      pairs.map(({ cluster, verdict, reference }) => ({ cluster, first: verdict, second: reference })),
    );
  const raters = [...new Set(labelled.flatMap(({ labels }) => Object.keys(labels)))].sort();
  const categories = Map.groupBy(decided, ({ category }) => category ?? '');
  const people = labelled.map(({ cluster, labels, verdict }) => ({
    cluster,
    labels: Object.values<string>(labels),
    verdict,
  }));
  const several = people.filter(({ labels }) => labels.length > 1);
  return {
    pairs: labelled.length,
    withoutMajority: labelled.length - decided.length,
    judge: withReference(decided) ?? null,
    raters: raters.flatMap((rater) => raterAgreement(labelled, rater)),
    betweenPeople: fleissKappa(several) ?? null,
    betweenPeopleAndJudge:
      fleissKappa(
        several.map(({ cluster, labels, verdict }) => ({ cluster, labels: [...labels, verdict] })),
      ) ?? null,
    categories: [...categories]
      .filter(([name]) => name !== '' || categories.size > 1)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .flatMap(([name, pairs]) => {
        const agreement = withReference(pairs);
        return agreement === undefined
          ? []
          : [{ name: name === '' ? 'without a category' : name, ...agreement }];
      }),
    disagreements: disagreementsOf(decided).slice(0, shown),
  };
}

/** The label with the most votes; undefined if several have as many. */
export function majorityLabel(labels: readonly Label[]): Label | undefined {
  const counts = [...Map.groupBy(labels, (label) => label)].map(([label, { length }]) => ({ label, length }));
  const most = Math.max(...counts.map(({ length }) => length));
  const [only, ...others] = counts.filter(({ length }) => length === most);
  return others.length > 0 ? undefined : only?.label;
}

function raterAgreement(pairs: readonly LabelledVerdict[], rater: string): RaterAgreement[] {
  const rated = pairs.flatMap(({ cluster, verdict, labels: { [rater]: label, ...others } }) =>
    label === undefined ? [] : [{ cluster, verdict, label, others: majorityLabel(Object.values(others)) }],
  );
  const agreement = cohensKappa(
    rated.map(({ cluster, verdict, label }) => ({ cluster, first: verdict, second: label })),
  );
  if (agreement === undefined) return [];
  const withOthers = (of: 'label' | 'verdict') =>
    cohensKappa(
      rated.flatMap(({ cluster, others, ...each }) =>
        others === undefined ? [] : [{ cluster, first: each[of], second: others }],
      ),
    );
  const [person, judge] = [withOthers('label'), withOthers('verdict')];
  return [
    {
      rater,
      ...agreement,
      ...(person === undefined || judge === undefined ? {} : { withOthers: person, judgeWithOthers: judge }),
    },
  ];
}

/** The disagreements, the clearest ones first: where people agree with each other, and the judge with itself. */
function disagreementsOf(
  pairs: readonly (LabelledVerdict & { readonly reference: Label })[],
): Disagreement[] {
  return pairs
    .filter(({ verdict, reference }) => verdict !== reference)
    .map(({ id, category, verdict, confidence, labels, reference }) => {
      const all = Object.values(labels);
      return {
        id,
        ...(category === undefined ? {} : { category }),
        verdict,
        label: reference,
        unanimity: all.filter((label) => label === reference).length / all.length,
        confidence,
        weight: all.filter((label) => label === reference).length,
      };
    })
    .sort(
      (one, other) =>
        clarity(other) - clarity(one) || other.weight - one.weight || (one.id < other.id ? -1 : 1),
    )
    .map(({ weight: _weight, ...disagreement }) => disagreement);
}

/** A tie or a missing verdict is never a clear error. */
function clarity({ verdict, unanimity, confidence }: Disagreement): number {
  return verdict === 'none' ? 0 : unanimity * confidence * (verdict === 'tie' ? 0.5 : 1);
}
