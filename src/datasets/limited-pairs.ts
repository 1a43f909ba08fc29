/**
 * Pairs whose instruction sets a limit that code can check, made from other pairs without a model (LIFT, arXiv 2406.17744,
 * section 4). A judge that only looks at quality, or at the limit, gets half of them wrong.
 */
import type { ResponsePair } from '../method/examples.ts';
import { renderPrompt, type PromptTemplate } from '../method/prompt-template.ts';
import { stableFraction } from '../platform/stable-hash.ts';
import { normalizedWords, wordCount } from './word-hashes.ts';

export type Limit =
  | {
      /** At most so many words. */
      readonly kind: 'words';
      /** In words. */
      readonly minDifference: number;
      /** By how many words the longer response stays within the higher limit. */
      readonly slack: number;
      /** How far the lower limit is from both lengths, as a share of their difference: no judge counts words exactly. */
      readonly margin: number;
    }
  | { readonly kind: 'sentences' | 'required-word' | 'forbidden-word' };

type Texts = Readonly<Record<'instruction' | 'better' | 'worse', string>>;

interface LimitValues {
  /** A limit that both responses keep. */
  readonly kept: number | string;
  /** A limit that one response breaks, and which. */
  readonly broken: number | string;
  readonly brokenBy: 'better' | 'worse';
}

/** Draws a number from 0 to below 1, the same for the same name. */
type Draw = (name: string) => number;

const SUBSET_PREFIX = 'limit-';

/** Words in which an answer is free to choose, which most shorter ones are not. */
const LONG_WORD = /^\p{L}{5,}$/u;

/** Returns whether a pair was made here. */
export function isLimited({ subset }: Pick<ResponsePair, 'subset'>): boolean {
  return subset?.startsWith(SUBSET_PREFIX) === true;
}

/**
 * Makes two pairs of a share of the pairs: with a limit that both responses keep, so that the better one stays the better one,
 * and with a limit that only one of them keeps, which is then the better one. Both or none, as a judge that sees one kind alone
 * learns the limit and not the quality (arXiv 2502.00814).
 * @param template a prompt with `{limit}` and `{instruction}`, which becomes the instruction
 */
export function limitedPairs(
  pair: ResponsePair,
  limit: Limit,
  {
    share,
    template,
    seed,
  }: { readonly share: number; readonly template: PromptTemplate; readonly seed: number },
): ResponsePair[] {
  const draw: Draw = (name) => stableFraction(seed, name, limit.kind, pair.id);
  if (draw('share') >= share) return [];
  const values = limitValues(pair, limit, draw);
  if (values === undefined) return [];
  const limited = (name: string, value: number | string, swapped: boolean): ResponsePair => ({
    id: `${pair.id}-${limit.kind}-${name}`,
    ...(pair.source === undefined ? {} : { source: pair.source }),
    subset: `${SUBSET_PREFIX}${limit.kind}`,
    instruction: instructionWith(template, { limit: String(value), instruction: pair.instruction }),
    better: swapped ? pair.worse : pair.better,
    worse: swapped ? pair.better : pair.worse,
  });
  return [
    limited('kept', values.kept, false),
    limited('broken', values.broken, values.brokenBy === 'better'),
  ];
}

function limitValues(texts: Texts, limit: Limit, draw: Draw): LimitValues | undefined {
  switch (limit.kind) {
    case 'words':
      return wordLimits(texts, limit, draw);
    case 'sentences':
      return sentenceLimits(texts, draw);
    case 'required-word':
      return requiredWords(texts, draw);
    case 'forbidden-word':
      return forbiddenWords(texts, draw);
  }
}

function wordLimits(
  texts: Texts,
  { minDifference, slack, margin }: Extract<Limit, { kind: 'words' }>,
  draw: Draw,
): LimitValues | undefined {
  const { shorter, longer, brokenBy } = lengths(texts, wordCount);
  const distance = Math.max(1, Math.ceil(margin * (longer - shorter)));
  const [lowest, highest] = [shorter + distance, longer - distance];
  if (longer - shorter < minDifference || lowest > highest) return undefined;
  return { kept: longer + slack, broken: between(lowest, highest, draw('limit')), brokenBy };
}

/** Sentences are few and easily counted, so that any limit below the longer response is far enough from it. */
function sentenceLimits(texts: Texts, draw: Draw): LimitValues | undefined {
  const { shorter, longer, brokenBy } = lengths(texts, sentenceCount);
  // "At most 0 sentences" is no limit that an answer can keep, and a limit of one has no plural.
  const lowest = Math.max(2, shorter);
  if (lowest >= longer) return undefined;
  return { kept: longer, broken: between(lowest, longer - 1, draw('limit')), brokenBy };
}

/** The worse response has the word that the better one lacks, and both have another one. */
function requiredWords({ better, worse }: Texts, draw: Draw): LimitValues | undefined {
  const [has, lacks] = [longWords(worse), new Set(normalizedWords(better))];
  const kept = drawn(
    [...has].filter((word) => lacks.has(word)),
    draw('kept'),
  );
  const broken = drawn(
    [...has].filter((word) => !lacks.has(word)),
    draw('broken'),
  );
  return kept === undefined || broken === undefined ? undefined : { kept, broken, brokenBy: 'better' };
}

/** The better response has the word that the worse one lacks, and neither has one of the instruction. */
function forbiddenWords({ instruction, better, worse }: Texts, draw: Draw): LimitValues | undefined {
  const [inBetter, inWorse] = [new Set(normalizedWords(better)), new Set(normalizedWords(worse))];
  const isNew = (word: string) => !inBetter.has(word) && !inWorse.has(word);
  const kept = drawn([...longWords(instruction)].filter(isNew), draw('kept'));
  const broken = drawn(
    [...longWords(better)].filter((word) => !inWorse.has(word)),
    draw('broken'),
  );
  return kept === undefined || broken === undefined ? undefined : { kept, broken, brokenBy: 'better' };
}

function lengths({ better, worse }: Texts, lengthOf: (text: string) => number) {
  const [ofBetter, ofWorse] = [lengthOf(better), lengthOf(worse)];
  return {
    shorter: Math.min(ofBetter, ofWorse),
    longer: Math.max(ofBetter, ofWorse),
    brokenBy: ofBetter > ofWorse ? ('better' as const) : ('worse' as const),
  };
}

const sentences = new Intl.Segmenter('en', { granularity: 'sentence' });

function sentenceCount(text: string): number {
  return [...sentences.segment(text)].filter(({ segment }) => /[\p{L}\p{N}]/u.test(segment)).length;
}

function longWords(text: string): Set<string> {
  return new Set(normalizedWords(text).filter((word) => LONG_WORD.test(word)));
}

function drawn(words: readonly string[], random: number): string | undefined {
  return words[Math.floor(random * words.length)];
}

/** A whole number from the lowest to the highest one. */
function between(lowest: number, highest: number, random: number): number {
  return lowest + Math.floor(random * (highest - lowest + 1));
}

function instructionWith(template: PromptTemplate, values: Readonly<Record<string, string>>): string {
  return renderPrompt(template, values)
    .map(({ content }) => content)
    .join('\n\n');
}
