import { isRefusal } from './refusal.ts';

/** The texts that a response pair is made of. */
export interface PairTexts {
  readonly instruction: string;
  readonly better: string;
  readonly worse: string;
  /** x', where the worse response answers one. */
  readonly similarInstruction?: string;
}

/**
 * Why two responses make no pair, as a reason to count by: a pair that shows no difference teaches nothing. Undefined
 * for a good one.
 */
export function pairProblem(texts: PairTexts, refusals: 'drop' | 'keep'): string | undefined {
  const { instruction, better, worse, similarInstruction } = texts;
  const written = [better, worse, ...(similarInstruction === undefined ? [] : [similarInstruction])];
  if (written.some((text) => text.trim() === '')) return 'empty';
  const refused = isRefusal(better, 'response') || isRefusal(worse, 'response');
  if (refusals === 'drop' && (refused || isRefusal(similarInstruction ?? '', 'instruction')))
    return 'refusal';
  if (similarInstruction !== undefined && looseForm(similarInstruction) === looseForm(instruction))
    return 'similar instruction equals the instruction';
  if (better.trim() === worse.trim()) return 'equal responses';
  if (looseForm(better) === looseForm(worse)) return 'responses differ in blanks and case alone';
  return undefined;
}

function looseForm(text: string): string {
  return text.normalize('NFC').trim().replace(/\s+/gu, ' ').toLowerCase();
}
