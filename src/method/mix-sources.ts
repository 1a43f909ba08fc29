import { balanceSides } from './balance.ts';
import { shuffledById } from './seeds.ts';
import type { Side } from './verdict.ts';

/** The source of a response pair that the run generated. Pairs of human preferences have the name of their file instead. */
export const GENERATED = 'generated';

/** The source of the pairs of a run whose configuration names files of pairs. */
export const PROVIDED = 'provided';

/** A kept judgment: its id, the side of its verdict, and the source of its pair. */
export interface KeptJudgment {
  readonly id: string;
  readonly side: Side;
  readonly source: string;
}

/** Balances the sides A and B within each source, so that no source teaches a position. */
export function balanceInSources<K extends KeptJudgment>(kept: readonly K[], seed: number): K[] {
  const balanced = [...bySource(kept).values()].flatMap((ofSource) => balanceSides(ofSource, seed));
  return inOrderOf(kept, balanced);
}

/**
 * Downsamples the sources to the proportions of their weights, as in the paper's ablation that mixes in human labels.
 * The result is as large as possible, and balanced sides stay balanced. Which judgments remain depends only on the seed
 * and their ids; the input's order is kept.
 *
 * @param weights by source; a source without a weight, or with weight 0, is left out
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
    // In floating point, a share such as 0.1 x 30 can be slightly less than 3.
    return drawEvenly(ofSource, Math.floor(scale * weight + 1e-9), seed);
  });
  return inOrderOf(kept, mixed);
}

/** Draws `size` judgments, from each side in proportion to its size. Which ones depends on the seed and their ids only. */
export function drawEvenly<K extends KeptJudgment>(kept: readonly K[], size: number, seed: number): K[] {
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

function inOrderOf<K extends KeptJudgment>(all: readonly K[], selected: readonly K[]): K[] {
  const ids = new Set(selected.map(({ id }) => id));
  return all.filter(({ id }) => ids.has(id));
}
