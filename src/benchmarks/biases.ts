import type { Side, Verdict } from '../method/verdict.ts';
import { formatPercent } from '../platform/format-percent.ts';
import { quantity } from '../platform/quantity.ts';
import {
  clusterValues,
  differenceInterval,
  type Interval,
  type IntervalOfShare,
  shareInterval,
} from './intervals.ts';

/** A pair with the judgments of it, as the biases of a judge are measured on it. */
export interface JudgedResponses {
  /** Pairs of the same cluster are not independent of each other. */
  readonly cluster: string;
  /** The better response, if a label names it. */
  readonly better?: Side | undefined;
  /** The number of words of each response. */
  readonly words: Readonly<Record<Side, number>>;
  /** The model that wrote each response, if known. */
  readonly models?: Readonly<Partial<Record<Side, string>>> | undefined;
  readonly orders: readonly JudgedOrder[];
}

/** The verdict on a pair in one order. */
export interface JudgedOrder {
  /** The response that is shown first. */
  readonly first: Side;
  /** The better response according to the judge, wherever it is shown. */
  readonly verdict: Verdict;
  /** The mean number of words of the judgments. */
  readonly words: number;
}

export interface BiasOptions {
  /** A pair has responses of similar length if the longer one has at most so many times the words of the shorter one. */
  readonly lengthLimit: number;
  /** A text that the names of the models of the judge's own family contain; without it, that bias is not measured. */
  readonly family?: string | undefined;
}

export const DEFAULT_LENGTH_LIMIT = 1.25;

/** `similar length` is the bias for length among responses of similar length. */
export type BiasName = 'position' | 'length' | 'similar length' | 'own family' | 'verbosity';

/** A share of judgments, with its 95% interval. */
export interface BiasGroup extends IntervalOfShare {
  readonly name: string;
  readonly judgments: number;
}

/** A bias: the difference of two shares, which would be equal without it. */
export interface BiasFigure {
  readonly bias: BiasName;
  /** The first share minus the second. */
  readonly difference: number;
  readonly interval: Interval;
  readonly groups: readonly [BiasGroup, BiasGroup];
  /** A sentence for people. */
  readonly meaning: string;
}

/** The biases of a judge, as far as the pairs show them: without labels, some can't be told from a good reason. */
export function biasFigures(pairs: readonly JudgedResponses[], options: BiasOptions): BiasFigure[] {
  const { lengthLimit, family } = options;
  const similar = pairs.filter(({ words }) => isSimilar(words, lengthLimit));
  const isOwn = (model: string | undefined) =>
    family !== undefined && model !== undefined && model.toLowerCase().includes(family.toLowerCase());
  return [
    positionBias(pairs),
    sideBias('length', pairs, longerSide, ['the longer response', 'the shorter response']),
    sideBias('similar length', similar, longerSide, ['the longer response', 'the shorter response']),
    sideBias('own family', pairs, ({ models }) => onlySide(isOwn(models?.A), isOwn(models?.B)), [
      'the response of its own family',
      'the response of another model',
    ]),
    verbosityBias(pairs),
  ].flatMap((figure) => figure ?? []);
}

const POSITIONS = [
  'The judge prefers the response that it sees first',
  'The judge prefers the response that it sees second',
] as const;

/**
 * The position: which response is named, over pairs of which both orders name one. If every pair is judged in one order:
 * how much more often the judge is correct if the better response is the first one.
 */
function positionBias(pairs: readonly JudgedResponses[]): BiasFigure | undefined {
  if (pairs.every(({ orders }) => orders.length < 2)) return positionBiasOfOneOrder(pairs);
  const values = pairs
    .filter(({ orders }) => orders.length === 2 && orders.every(({ verdict }) => isSide(verdict)))
    .map(({ cluster, orders }) => ({
      cluster,
      value: orders.filter(({ first, verdict }) => verdict === first).length / 2,
    }));
  if (values.length === 0) return undefined;
  // The interval may be narrower than that of independent verdicts: a pair with the same verdict in both orders shows no bias.
  return complementaryFigure(
    'position',
    { judgments: 2 * values.length, ...shareOf(values, Infinity) },
    ['of verdicts are for the response that is shown first', 'for the second one'],
    POSITIONS,
  );
}

function positionBiasOfOneOrder(pairs: readonly JudgedResponses[]): BiasFigure | undefined {
  const values = pairs.flatMap(({ cluster, better, orders }) =>
    better === undefined
      ? []
      : orders.map(({ first, verdict }) => ({
          cluster,
          isFirst: first === better,
          value: Number(verdict === better),
        })),
  );
  return groupsFigure(
    'position',
    values.filter(({ isFirst }) => isFirst),
    values.filter(({ isFirst }) => !isFirst),
    ['correct if the better response is shown first', 'if it is shown second'],
    POSITIONS,
  );
}

/**
 * A bias for one of the two responses, such as the longer one: with labels, how much more often the judge is correct if
 * that one is better than if the other one is; without labels, how much more often it names that one.
 */
function sideBias(
  bias: 'length' | 'similar length' | 'own family',
  pairs: readonly JudgedResponses[],
  sideOf: (pair: JudgedResponses) => Side | undefined,
  [favoured, other]: readonly [string, string],
): BiasFigure | undefined {
  const sided = pairs.flatMap((pair) => {
    const side = sideOf(pair);
    return side === undefined ? [] : [{ ...pair, side }];
  });
  const labelled = sided.flatMap(({ cluster, better, side, orders }) =>
    better === undefined
      ? []
      : orders.map(({ verdict }) => ({
          cluster,
          isFavoured: better === side,
          value: Number(verdict === better),
        })),
  );
  const sides = [`The judge prefers ${favoured}`, `The judge prefers ${other}`] as const;
  if (labelled.length > 0)
    return groupsFigure(
      bias,
      labelled.filter(({ isFavoured }) => isFavoured),
      labelled.filter(({ isFavoured }) => !isFavoured),
      [`correct if ${favoured} is better`, `if ${other} is better`],
      sides,
    );
  const named = sided.flatMap(({ cluster, side, orders }) =>
    orders.flatMap(({ verdict }) => (isSide(verdict) ? [{ cluster, value: Number(verdict === side) }] : [])),
  );
  if (named.length === 0) return undefined;
  return complementaryFigure(
    bias,
    { judgments: named.length, ...shareOf(named) },
    [`of verdicts are for ${favoured}`, `for ${other}`],
    sides,
    { remark: 'Without labels it is unknown whether these responses are better.' },
  );
}

/**
 * The length of the judge's reasons: how much more often the longer half of its judgments is correct than the shorter
 * half; without labels, how much more often both orders have the same verdict.
 */
function verbosityBias(pairs: readonly JudgedResponses[]): BiasFigure | undefined {
  const hasLabels = pairs.some(({ better }) => better !== undefined);
  const values = pairs.flatMap(({ cluster, better, orders }) => {
    if (hasLabels)
      return better === undefined
        ? []
        : orders.map(({ words, verdict }) => ({ cluster, words, value: Number(verdict === better) }));
    const [one, two] = orders;
    if (one === undefined || two === undefined) return [];
    return [{ cluster, words: (one.words + two.words) / 2, value: Number(one.verdict === two.verdict) }];
  });
  const sorted = values.map(({ words }) => words).sort((a, b) => a - b);
  const median = sorted[Math.floor((sorted.length - 1) / 2)] ?? 0;
  const correct = hasLabels ? 'correct' : 'the same verdict in both orders';
  return groupsFigure(
    'verbosity',
    values.filter(({ words }) => words > median),
    values.filter(({ words }) => words <= median),
    [`${correct} with reasons of more than ${wordsText(median)}`, 'with shorter reasons'],
    hasLabels
      ? [
          'Long reasons are more often correct than short ones',
          'Long reasons are more often wrong than short ones',
        ]
      : [
          'Verdicts with long reasons depend less on the position than those with short ones',
          'Verdicts with long reasons depend more on the position than those with short ones',
        ],
  );
}

type Values = readonly { readonly cluster: string; readonly value: number }[];

function groupsFigure(
  bias: BiasName,
  first: Values,
  second: Values,
  names: readonly [string, string],
  sides: readonly [string, string],
): BiasFigure | undefined {
  if (first.length === 0 || second.length === 0) return undefined;
  const groups = [
    { name: names[0], judgments: first.length, ...shareOf(first) },
    { name: names[1], judgments: second.length, ...shareOf(second) },
  ] as const;
  const sizes = `${first.length} and ${second.length} judgments`;
  return figureOf(bias, groups, differenceInterval(groups[0], groups[1]), sides, { sizes });
}

/** The figure of a share against the rest of the same judgments: the difference is known as precisely as the share. */
function complementaryFigure(
  bias: BiasName,
  { judgments, share, interval: { low, high } }: Omit<BiasGroup, 'name'>,
  [name, rest]: readonly [string, string],
  sides: readonly [string, string],
  notes?: FigureNotes,
): BiasFigure {
  return figureOf(
    bias,
    [
      { name, judgments, share, interval: { low, high } },
      { name: rest, judgments, share: 1 - share, interval: { low: 1 - high, high: 1 - low } },
    ],
    { low: 2 * low - 1, high: 2 * high - 1 },
    sides,
    notes,
  );
}

interface FigureNotes {
  readonly sizes?: string;
  readonly remark?: string;
}

function figureOf(
  bias: BiasName,
  groups: readonly [BiasGroup, BiasGroup],
  interval: Interval,
  [toFirst, toSecond]: readonly [string, string],
  { sizes, remark }: FigureNotes = {},
): BiasFigure {
  const [first, second] = groups;
  const difference = first.share - second.share;
  const found = interval.low > 0 ? toFirst : interval.high < 0 ? toSecond : undefined;
  const shares = `${formatPercent(first.share)} ${first.name}, ${formatPercent(second.share)} ${second.name}${sizes === undefined ? '' : ` (${sizes})`}`;
  const size = Math.max(Math.abs(interval.low), Math.abs(interval.high));
  const meaning =
    found === undefined
      ? `No bias is shown: ${shares}; it is at most ${(100 * size).toFixed(1)} points.`
      : `${found}: ${shares}.`;
  return {
    bias,
    difference,
    interval,
    groups,
    meaning: remark === undefined ? meaning : `${meaning} ${remark}`,
  };
}

function shareOf(values: Values, answers?: number): IntervalOfShare {
  const share = values.reduce((sum, { value }) => sum + value, 0) / values.length;
  return { share, interval: shareInterval(clusterValues(values), answers) };
}

function longerSide({ words }: JudgedResponses): Side | undefined {
  if (words.A === words.B) return undefined;
  return words.A > words.B ? 'A' : 'B';
}

function isSimilar({ A, B }: Readonly<Record<Side, number>>, limit: number): boolean {
  return Math.max(A, B) <= limit * Math.min(A, B);
}

/** The side for which alone something holds. */
function onlySide(a: boolean, b: boolean): Side | undefined {
  if (a === b) return undefined;
  return a ? 'A' : 'B';
}

function isSide(verdict: Verdict): verdict is Side {
  return verdict === 'A' || verdict === 'B';
}

function wordsText(count: number): string {
  return quantity(Math.round(count), 'word');
}
