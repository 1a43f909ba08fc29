import type { Verdict } from '../method/verdict.ts';

/** The ways to rank responses by comparisons of two. */
type PairTournament = 'round-robin' | 'merge-sort';

/** The ways to rank responses: by comparisons of two, or `at-once`, as the best of all of them. */
export type Tournament = PairTournament | 'at-once';

/** A response in a ranking. */
export interface RankedResponse {
  /** Its index in the list of responses. */
  readonly index: number;
  /** The best rank is 1; responses with the same result share a rank. */
  readonly rank: number;
  /**
   * For `round-robin`: 1 for each response that it beats, half for a tie or a missing verdict. For `at-once`: its share of
   * the verdicts.
   */
  readonly points?: number;
}

/** Compares two responses by their indexes in the list; `A` is the first one. */
type Compare = (a: number, b: number) => Promise<Verdict>;

/** The maximum number of comparisons of a tournament of this many responses. */
export function maxComparisons(tournament: PairTournament, responses: number): number {
  if (responses < 2) return 0;
  if (tournament === 'round-robin') return (responses * (responses - 1)) / 2;
  const half = Math.floor(responses / 2);
  // Each comparison of a merge places one response; the last response needs none.
  return maxComparisons(tournament, half) + maxComparisons(tournament, responses - half) + responses - 1;
}

/**
 * Ranks the responses 0 to `count` - 1, best first.
 * @throws RangeError for an unknown tournament
 */
export async function rankByTournament(
  tournament: PairTournament,
  count: number,
  compare: Compare,
): Promise<RankedResponse[]> {
  if (tournament !== 'round-robin' && tournament !== 'merge-sort')
    throw new RangeError(
      `tournament is ${JSON.stringify(tournament)}, but must be "round-robin", "merge-sort" or "at-once".`,
    );
  const all = Array.from({ length: count }, (_, index) => index);
  return tournament === 'round-robin' ? roundRobin(all, compare) : mergeSort(all, compare);
}

/** Compares every two responses, all concurrently. */
async function roundRobin(all: readonly number[], compare: Compare): Promise<RankedResponse[]> {
  const points = all.map(() => 0);
  const win = (index: number, share: number) => (points[index] = (points[index] ?? 0) + share);
  const pairs = all.flatMap((a) => all.slice(a + 1).map((b) => [a, b] as const));
  await Promise.all(
    pairs.map(async ([a, b]) => {
      const verdict = await compare(a, b);
      win(a, verdict === 'A' ? 1 : verdict === 'B' ? 0 : 0.5);
      win(b, verdict === 'B' ? 1 : verdict === 'A' ? 0 : 0.5);
    }),
  );
  return rankByPoints(points);
}

/** Ranks responses by their points, best first; the same points share a rank. */
export function rankByPoints(points: readonly number[]): RankedResponse[] {
  const ranked = points.map((of, index) => ({ index, points: of }));
  ranked.sort((one, other) => other.points - one.points || one.index - other.index);
  return ranked.map(({ index, points: of }) => ({
    index,
    rank: 1 + ranked.filter((other) => other.points > of).length,
    points: of,
  }));
}

/**
 * Sorts both halves concurrently. A tie or a missing verdict joins two groups; the responses of a group share a rank.
 */
async function mergeSort(all: readonly number[], compare: Compare): Promise<RankedResponse[]> {
  const groups = await sortedGroups(all, compare);
  let rank = 1;
  return groups.flatMap((group) => {
    const ranked = group.map((index) => ({ index, rank }));
    rank += group.length;
    return ranked;
  });
}

async function sortedGroups(part: readonly number[], compare: Compare): Promise<number[][]> {
  if (part.length < 2) return part.map((index) => [index]);
  const half = Math.floor(part.length / 2);
  const [left, right] = await Promise.all([
    sortedGroups(part.slice(0, half), compare),
    sortedGroups(part.slice(half), compare),
  ]);
  const merged: number[][] = [];
  while (left[0]?.[0] !== undefined && right[0]?.[0] !== undefined) {
    const verdict = await compare(left[0][0], right[0][0]);
    if (verdict === 'A') merged.push(...left.splice(0, 1));
    else if (verdict === 'B') merged.push(...right.splice(0, 1));
    else merged.push([...left.splice(0, 1), ...right.splice(0, 1)].flat());
  }
  return [...merged, ...left, ...right];
}
