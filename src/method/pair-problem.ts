import { isRefusal } from './refusal.ts';

/** The texts of a response pair. */
export interface PairTexts {
  readonly instruction: string;
  readonly better: string;
  readonly worse: string;
  /** x', if the worse response answers a similar instruction. */
  readonly similarInstruction?: string;
}

/**
 * The reason why two responses can't be used as a pair, such as no difference between them; undefined for a usable pair.
 * There are only a few reasons, so that pairs can be counted by reason.
 */
export function pairProblem(texts: PairTexts, refusals: 'drop' | 'keep'): string | undefined {
  const { instruction, better, worse, similarInstruction } = texts;
  const generated = [better, worse, ...(similarInstruction === undefined ? [] : [similarInstruction])];
  if (generated.some((text) => text.trim() === '')) return 'empty';
  const refused = isRefusal(better, 'response') || isRefusal(worse, 'response');
  if (refusals === 'drop' && (refused || isRefusal(similarInstruction ?? '', 'instruction')))
    return 'refusal';
  if (similarInstruction !== undefined && looseForm(similarInstruction) === looseForm(instruction))
    return 'similar instruction equals the instruction';
  if (better.trim() === worse.trim()) return 'equal responses';
  if (looseForm(better) === looseForm(worse)) return 'responses differ only in white space and case';
  return undefined;
}

function looseForm(text: string): string {
  return text.normalize('NFC').trim().replace(/\s+/gu, ' ').toLowerCase();
}
