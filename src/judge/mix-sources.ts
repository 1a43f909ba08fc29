import { balanceSides } from './balance.ts';
import { shuffledById } from './seeds.ts';
import type { Side } from './verdict.ts';

/** Where a response pair comes from: made by the run, or a file of human preferences by its name. */
export const GENERATED = 'generated';

/** Where the pairs of a run come from that is given them instead. */
export const GIVEN = 'given';

/** A kept judgment: which one, the side that it decides for, and where its pair comes from. */
export interface KeptJudgment {
  readonly id: string;
  readonly side: Side;
  readonly source: string;
}

/** As many that answer A as B, in each source by itself, so that no source teaches a position. */
export function balanceInSources<K extends KeptJudgment>(kept: readonly K[], seed: number): K[] {
  const balanced = [...bySource(kept).values()].flatMap((ofSource) => balanceSides(ofSource, seed));
  return inOrderOf(kept, balanced);
}

/**
 * The largest set in which the sources stand to each other as their weights, by downsampling (the paper's ablation that
 * mixes human labels in). Equal sides stay equal. Which ones stay follows from seed and id; the input's order is kept.
 *
 * @param weights by source; one that is not named, or has weight 0, is left out
 */
export function mixSources<K extends KeptJudgment>(
  kept: readonly K[],
  weights: ReadonlyMap<string, number>,
  seed: number,
): K[] {
  const sources = bySource(kept);
  const weighted = [...weights].filter(([, weight]) => weight > 0);
  const scale = Math.min(...weighted.map(([source, weight]) => (sources.get(source)?.length ?? 0) / weight));
  const mixed = weighted.flatMap(([source, weight]) => {
    const ofSource = sources.get(source) ?? [];
    // A share such as 0.1 x 30 is a hair above 3 in binary, or below.
    return drawEvenly(ofSource, Math.floor(scale * weight + 1e-9), seed);
  });
  return inOrderOf(kept, mixed);
}

/** Draws `size`, from either side in proportion. */
function drawEvenly<K extends KeptJudgment>(kept: readonly K[], size: number, seed: number): K[] {
  if (size >= kept.length) return [...kept];
  return (['A', 'B'] as const).flatMap((side) => {
    const ofSide = kept.filter((judgment) => judgment.side === side);
    const share = Math.floor((size * ofSide.length) / kept.length);
    return shuffledById(ofSide, seed, 'mix', ({ id }) => id).slice(0, share);
  });
}

function bySource<K extends KeptJudgment>(kept: readonly K[]): Map<string, K[]> {
  return Map.groupBy(kept, ({ source }) => source);
}

function inOrderOf<K extends KeptJudgment>(all: readonly K[], chosen: readonly K[]): K[] {
  const ids = new Set(chosen.map(({ id }) => id));
  return all.filter(({ id }) => ids.has(id));
}
