/**
 * Pairs whose instruction limits the length of the answer, made from other pairs without a model (LIFT, arXiv 2406.17744,
 * section 4). A judge that only looks at quality, or at length, gets half of them wrong.
 */
import type { ResponsePair } from '../method/examples.ts';
import { renderPrompt, type PromptTemplate } from '../method/prompt-template.ts';
import { stableHash } from '../platform/stable-hash.ts';
import { wordCount } from './word-hashes.ts';

/** The subset of such pairs. */
export const LIMITED = 'limit';

export interface LengthLimits {
  /** The share of the pairs from which others are made. */
  readonly share: number;
  /** In words. */
  readonly minDifference: number;
  /** By how many words the longer response stays within the higher limit. */
  readonly slack: number;
  /** How far the lower limit is from both lengths, as a share of their difference: no judge counts words exactly. */
  readonly margin: number;
}

/**
 * Makes two pairs of a pair whose responses differ in length: with a limit that both responses keep, so that the better one
 * stays the better one, and with a limit that only the shorter one keeps, which is then the better one. Both or none, as a judge
 * that sees one kind alone learns the limit and not the quality (arXiv 2502.00814).
 */
export function limitedPairs(
  pair: ResponsePair,
  { share, minDifference, slack, margin }: LengthLimits,
  template: PromptTemplate,
  seed: number,
): ResponsePair[] {
  if (uniform(seed, 'share', pair.id) >= share) return [];
  const [better, worse] = [wordCount(pair.better), wordCount(pair.worse)];
  const [shorter, longer] = [Math.min(better, worse), Math.max(better, worse)];
  const distance = Math.max(1, Math.ceil(margin * (longer - shorter)));
  const [lowest, highest] = [shorter + distance, longer - distance];
  if (longer - shorter < minDifference || lowest > highest) return [];
  const between = lowest + Math.floor(uniform(seed, 'limit', pair.id) * (highest - lowest + 1));
  const limited = (name: string, limit: number, swapped: boolean): ResponsePair => ({
    id: `${pair.id}-${name}`,
    ...(pair.source === undefined ? {} : { source: pair.source }),
    subset: LIMITED,
    instruction: instructionWith(template, { limit: String(limit), instruction: pair.instruction }),
    better: swapped ? pair.worse : pair.better,
    worse: swapped ? pair.better : pair.worse,
  });
  return [limited('within-limit', longer + slack, false), limited('beyond-limit', between, better > worse)];
}

function instructionWith(template: PromptTemplate, values: Readonly<Record<string, string>>): string {
  return renderPrompt(template, values)
    .map(({ content }) => content)
    .join('\n\n');
}

/** A number from 0 to below 1 that depends on the parts only. */
function uniform(...parts: readonly (string | number)[]): number {
  return Number.parseInt(stableHash(...parts).slice(0, 12), 16) / 2 ** 48;
}
