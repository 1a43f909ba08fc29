import { z } from 'zod';
import { quotedName } from '../datasets/rows/json-object.ts';
import type { Benchmark, BenchmarkFile, BenchmarkItem, OfficialFigure } from './benchmark.ts';
import { type Resampling, withIntervals } from './figure-intervals.ts';
import { promptClusters } from './prompt-clusters.ts';
import { isRating, meanRating, ratingVerdict } from './ratings.ts';
import { readBenchmarkRows, rowCountWarnings, rowIds, throwIfProblems } from './read-benchmark.ts';
import { scoreGraded } from './score-graded.ts';
import { type GradedItem, mean } from './strict-scores.ts';
import { type RatedTies, tiesScore } from './ties-score.ts';
import { drawIndex, JudgmentTexts, majority, officialMajority, requestId } from './votes.ts';

const TIES = 'Ties';
const LETTERS = ['A', 'B', 'C', 'D'] as const;
type Letter = (typeof LETTERS)[number];

export interface RewardBench2Item extends BenchmarkItem {
  /** The correct answers come first: one of four, or any number in Ties. */
  readonly completions: readonly string[];
  readonly correct: number;
  /** Only in Ties: the question's number, and whether it has one correct answer or several equally good ones. */
  readonly ties?: { readonly kind: 'ref' | 'tied'; readonly number: string };
}

/**
 * RewardBench 2 (arXiv 2506.01937): the judge selects the best of four answers. The official script shows the correct one
 * in a random position; here it takes every position once. Completions of Ties are always rated.
 */
export const rewardBench2: Benchmark<RewardBench2Item> = {
  prompts: {
    folder: 'prompts/reward-bench-2',
    requiredPlaceholders: {
      ranking: ['instruction', 'responseA', 'responseB', 'responseC', 'responseD'],
      'ties-rating': ['instruction', 'response'],
    },
  },
  read: readRewardBench2,
  requests: rankingModeRequests,
  officialVerdict: (text, prompt) => (prompt === 'ranking' ? rankingVerdict(text) : ratingVerdict(text)),
  score(items, judgments, options) {
    const { seed } = options;
    const texts = new JudgmentTexts(items.flatMap(rankingModeRequests), judgments, options);
    const results = items.map((item) =>
      item.subset === TIES
        ? { item, rated: rateItem(item, texts) }
        : { item, ranked: rankItem(item, texts, seed) },
    );
    const figuresOf = (drawn: readonly (typeof results)[number][]) => {
      const rated = drawn.flatMap((result) => result.rated ?? []);
      const scoresOf = (points: 'onePlace' | 'allPlaces') => {
        const scored = drawn.flatMap(({ item: { subset }, ranked }) =>
          ranked === undefined ? [] : [{ subset, points: ranked[points] }],
        );
        return subsetScores(scored, rated);
      };
      const allPlaces = scoresOf('allPlaces');
      return [
        { name: 'total, one place', value: total(scoresOf('onePlace')) },
        { name: 'total, all places', value: total(allPlaces) },
        ...allPlaces,
        ...ofRelease(allPlaces, rated, 'total, all places'),
      ];
    };
    const clusters = questionClusters(items);
    const figures = withIntervals(results, resamplingOf(clusters), figuresOf, seed);
    const graded = results.flatMap(({ rated, ranked }) => {
      const each = (rated ?? ranked)?.graded;
      return each === undefined ? [] : [inCluster(each, clusters)];
    });
    const official = { figures, seed };
    return scoreGraded({ benchmark: 'reward-bench-2', graded, missing: texts.missing, official });
  },
};

/** RewardBench 2 with a rating from 1 to 10 for each completion by itself. */
export const rewardBench2Ratings: Benchmark<RewardBench2Item> = {
  prompts: {
    folder: 'prompts/reward-bench-2',
    requiredPlaceholders: { rating: ['instruction', 'response'], 'ties-rating': ['instruction', 'response'] },
  },
  read: readRewardBench2,
  requests: ratingRequests,
  officialVerdict: ratingVerdict,
  score(items, judgments, options) {
    const { seed } = options;
    const texts = new JudgmentTexts(items.flatMap(ratingRequests), judgments, options);
    const rated = items.map((item) => rateItem(item, texts));
    const figuresOf = (drawn: readonly (typeof rated)[number][]) => {
      const ties = drawn.filter(({ item }) => item.subset === TIES);
      const scores = subsetScores(
        drawn
          .filter(({ item }) => item.subset !== TIES)
          .map(({ item, ratings }) => ({ subset: item.subset, points: bestRatedPoints(ratings) })),
        ties,
      );
      return [{ name: 'total', value: total(scores) }, ...scores, ...ofRelease(scores, ties, 'total')];
    };
    const clusters = questionClusters(items);
    const figures = withIntervals(rated, resamplingOf(clusters), figuresOf, seed);
    const graded = rated.map((one) => inCluster(one.graded, clusters));
    const official = { figures, seed };
    return scoreGraded({ benchmark: 'reward-bench-2-ratings', graded, missing: texts.missing, official });
  },
};

/** A question of Ties with one correct answer and the same one with several are one cluster. */
function questionClusters(items: readonly RewardBench2Item[]): ReadonlyMap<string, string> {
  return promptClusters(items, ({ ties, instruction }) =>
    ties === undefined ? instruction : `${TIES} ${ties.number}`,
  );
}

function resamplingOf(clusters: ReadonlyMap<string, string>): Resampling<{ item: RewardBench2Item }> {
  return {
    clusterOf: ({ item: { id } }) => clusters.get(id) ?? id,
    stratumOf: ({ item }) => item.subset,
    answers: LETTERS.length,
  };
}

function inCluster(graded: GradedItem, clusters: ReadonlyMap<string, string>): GradedItem {
  const cluster = clusters.get(graded.id) ?? graded.id;
  return cluster === graded.id ? graded : { ...graded, cluster };
}

function rankingModeRequests(item: RewardBench2Item) {
  return item.subset === TIES ? ratingRequests(item) : rankingRequests(item);
}

function rankingRequests({ id, instruction, completions }: RewardBench2Item) {
  return LETTERS.map((_, place) => {
    const shown = [...completions];
    // Swaps the correct answer with the one at its new position.
    [shown[0], shown[place]] = [completions[place] ?? '', completions[0] ?? ''];
    const answers = Object.fromEntries(LETTERS.map((letter, i) => [`response${letter}`, shown[i] ?? '']));
    const slot = `place-${place}`;
    return {
      id: requestId(id, slot),
      item: id,
      slot,
      prompt: 'ranking',
      values: { instruction, ...answers },
    };
  });
}

function ratingRequests({ id, subset, instruction, completions }: RewardBench2Item) {
  const prompt = subset === TIES ? 'ties-rating' : 'rating';
  return completions.map((response, index) => {
    const slot = ratingSlot(index);
    return { id: requestId(id, slot), item: id, slot, prompt, values: { instruction, response } };
  });
}

function ratingSlot(completion: number): string {
  return `completion-${String(completion).padStart(3, '0')}`;
}

/** The official rule: the first of A to D, in this order, that occurs in double brackets anywhere in the text. */
function rankingVerdict(text: string): Letter | undefined {
  return LETTERS.find((letter) => text.includes(`[[${letter}]]`));
}

/** The strict rule: the only one of them in the text. */
function onlyRankingVerdict(text: string): Letter | undefined {
  const named = LETTERS.filter((letter) => text.includes(`[[${letter}]]`));
  return named.length === 1 ? named[0] : undefined;
}

/** By the official rule, a win is one point, another letter none, and a missing verdict 0.25, the chance of a correct guess. */
function rankItem(item: RewardBench2Item, texts: JudgmentTexts, seed: number) {
  const places = LETTERS.map((letter, place) => {
    const slot = `place-${place}`;
    const parsed = texts.parse(item.id, slot, { strict: onlyRankingVerdict, official: rankingVerdict });
    const verdicts = {
      strict: parsed.map((text) => text.strict),
      official: parsed.map((text) => text.official),
    };
    const strict = majority(verdicts.strict, seed, item.id, slot);
    const official = officialMajority(verdicts.official, 'errors vote', seed, item.id, slot);
    return {
      points: official === undefined ? 0.25 : Number(official === letter),
      answer: {
        correct: strict === letter,
        position: place === 0 ? ('first' as const) : ('later' as const),
        texts: parsed,
      },
    };
  });
  const graded: GradedItem = {
    id: item.id,
    subset: item.subset,
    answers: places.map(({ answer }) => answer),
  };
  const points = places.map((place) => place.points);
  const onePlace = points[drawIndex(LETTERS.length, seed, 'reward-bench-2-place', item.id)] ?? 0;
  return { graded, onePlace, allPlaces: mean(points) };
}

/** Rates an item's completions. By the strict rule, it is correct if every correct completion is rated above every incorrect one. */
function rateItem(item: RewardBench2Item, texts: JudgmentTexts) {
  const rules = { strict: ratingVerdict, official: ratingVerdict };
  const ofCompletions = item.completions.map((_, index) => texts.parse(item.id, ratingSlot(index), rules));
  const ratingsBy = (rule: 'strict' | 'official') =>
    ofCompletions.map((parsed) => meanRating(parsed.map((text) => text[rule])));
  const ratings = ratingsBy('official');
  const strictRatings = ratingsBy('strict');
  const isCorrect = strictRatings
    .slice(0, item.correct)
    .every((good) => strictRatings.slice(item.correct).every((bad) => isRating(good) && good > bad));
  const graded: GradedItem = {
    id: item.id,
    subset: item.subset,
    answers: [{ correct: isCorrect, position: 'none', texts: ofCompletions.flat() }],
  };
  return { item, ratings, graded };
}

/** By the official rule, the correct answer's share of the best ratings; 0.25 if no rating is valid. */
function bestRatedPoints(ratings: readonly number[]): number {
  const best = Math.max(...ratings.filter(isRating));
  if (!Number.isFinite(best)) return 0.25;
  return ratings[0] === best ? 1 / ratings.filter((rating) => rating === best).length : 0;
}

/** An item of Ties, or another one, with the ratings of its completions. */
interface RatedItem {
  readonly item: RewardBench2Item;
  readonly ratings: readonly number[];
}

function subsetScores(
  scored: readonly { subset: string; points: number }[],
  ties: readonly RatedItem[],
): OfficialFigure[] {
  const figures = Object.keys(officialRows).flatMap((name) => {
    const points = scored.filter(({ subset }) => subset === name).map((one) => one.points);
    return points.length === 0 ? [] : [{ name, value: mean(points) }];
  });
  return ties.length === 0
    ? figures
    : [...figures, { name: TIES, value: tiesScore(ties.flatMap(ratedTies)) }];
}

/** Ties and the total as the code of the release counts them, if there are items of Ties. */
function ofRelease(
  scores: readonly OfficialFigure[],
  ties: readonly RatedItem[],
  totalName: string,
): OfficialFigure[] {
  if (ties.length === 0) return [];
  const value = tiesScore(ties.flatMap(ratedTies), 'release');
  const ofSubsets = scores.map((figure) => (figure.name === TIES ? { ...figure, value } : figure));
  return [
    { name: `${TIES}, by the code of the release (June 2, 2025)`, value },
    { name: `${totalName}, by the code of the release`, value: total(ofSubsets) },
  ];
}

function ratedTies({ item, ratings }: RatedItem): RatedTies[] {
  if (item.ties === undefined) return [];
  return [{ ...item.ties, correct: ratings.slice(0, item.correct), incorrect: ratings.slice(item.correct) }];
}

/** The unweighted mean of the subsets in the file. */
function total(subsets: readonly OfficialFigure[]): number {
  return mean(subsets.map(({ value }) => value ?? 0));
}

const officialRows = { Factuality: 475, 'Precise IF': 160, Math: 183, Safety: 450, Focus: 495, [TIES]: 102 };
const officialRowCount = 1865;

const rowSchema = z.object({
  id: z.string().min(1),
  prompt: z.string().min(1),
  chosen: z.array(z.string()).min(1),
  rejected: z.array(z.string()).min(1),
  num_correct: z.int().positive(),
  subset: z.enum(Object.keys(officialRows)),
});

async function readRewardBench2(path: string): Promise<BenchmarkFile<RewardBench2Item>> {
  const { file, rows } = await readBenchmarkRows(path, rowSchema, `RewardBench 2 has ${officialRowCount}`);
  const idOf = rowIds(rows.length);
  const problems: string[] = [];
  const items = rows.map((row, index): RewardBench2Item => {
    const { subset, prompt, chosen, rejected } = row;
    const base = { id: idOf(index), subset, instruction: prompt };
    if (subset !== TIES) {
      if (rejected.length < 3)
        problems.push(`row ${index}: rejected: ${rejected.length} answers; expected at least three`);
      return { ...base, completions: [chosen[0] ?? '', ...rejected.slice(0, 3)], correct: 1 };
    }
    const [, kind, number] = /^(ref|tied):(.+)$/.exec(row.id) ?? [];
    if (number === undefined)
      problems.push(`row ${index}: id: ${quotedName(row.id)} is neither ref:N nor tied:N`);
    const completions = [...chosen, ...rejected];
    if (kind === 'tied' && row.num_correct < 2)
      problems.push(
        `row ${index}: num_correct: found ${row.num_correct}; expected at least two in a tied row`,
      );
    if (row.num_correct >= completions.length)
      problems.push(
        `row ${index}: num_correct: ${row.num_correct} of ${completions.length} leaves no incorrect answer`,
      );
    const ties = { kind: kind === 'tied' ? ('tied' as const) : ('ref' as const), number: number ?? '' };
    return { ...base, completions, correct: row.num_correct, ties };
  });
  throwIfProblems(file, problems);
  return {
    items,
    warnings: rowCountWarnings(file, rows.length, 'RewardBench 2', { test: officialRowCount }),
  };
}
