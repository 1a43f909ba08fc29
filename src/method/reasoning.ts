/** Separates what a model thinks from what it answers. */

/** Why a truncated text has no answer: the model was still thinking. */
export const SPENT_ON_REASONING = 'all tokens spent on reasoning';

/** The marks around a model's reasoning in its text. */
export interface ReasoningMarks {
  /** Missing if the reasoning begins without a mark. */
  readonly start?: string;
  readonly end: string;
}

/** The marks of known models. Many chat templates write the start into the prompt, so that a text has only the end. */
export const REASONING_MARKS: readonly ReasoningMarks[] = [
  { start: '<think>', end: '</think>' },
  { start: '<thinking>', end: '</thinking>' },
  { start: '<reasoning>', end: '</reasoning>' },
  { start: '<thought>', end: '</thought>' },
  { start: '<thoughts>', end: '</thoughts>' },
  { start: '<reason>', end: '</reason>' },
  { start: '<analysis>', end: '</analysis>' },
  { start: '<reflection>', end: '</reflection>' },
  { start: '<scratchpad>', end: '</scratchpad>' },
  { start: '<seed:think>', end: '</seed:think>' },
  { start: '<longcat_think>', end: '</longcat_think>' },
  { start: '[THINK]', end: '[/THINK]' },
  { start: '◁think▷', end: '◁/think▷' },
  { start: '<|begin_of_thought|>', end: '<|end_of_thought|>' },
  { start: '<|START_THINKING|>', end: '<|END_THINKING|>' },
  { start: '<|channel|>analysis<|message|>', end: '<|channel|>final<|message|>' },
  { start: '<|channel|>commentary<|message|>', end: '<|channel|>final<|message|>' },
  { start: '<|channel>thought', end: '<channel|>' },
  { start: '<unused94>thought', end: '<unused95>' },
  { start: '<|inner_prefix|>', end: '<|inner_suffix|>' },
  // Granite begins with a sentence that other models write too.
  { end: 'Here is my response:' },
  // The channels from a server that leaves out special tokens.
  { end: 'assistantfinal' },
];

/** A text of a model, and the reasoning that its server returned apart from it. */
export interface ModelText {
  readonly text: string;
  readonly reasoning?: string | undefined;
}

/** The two parts of a model's text. */
export interface SplitText {
  /** Undefined if there is none. */
  readonly reasoning: string | undefined;
  /** Undefined if the reasoning has no end, so that the model never came to its answer. */
  readonly answer: string | undefined;
}

/**
 * Splits a text behind the last end of reasoning. Reasoning without an end is recognised by its start at the beginning of a
 * line, or behind a special token. A mark in quotes or backticks is a part of the text.
 */
export function splitReasoning(
  { text, reasoning }: ModelText,
  marks: readonly ReasoningMarks[] = REASONING_MARKS,
): SplitText {
  const last = [...text.matchAll(pattern(marks, 'end'))].filter((match) => !isQuoted(text, match)).at(-1);
  const answerStart = last === undefined ? 0 : last.index + last[0].length;
  const unfinished = [...text.slice(answerStart).matchAll(pattern(marks, 'start'))].some((match) =>
    /(?:^|\n|\|>(?:assistant)?)[^\S\n]*$/.test(
      text.slice(answerStart, answerStart + match.index).slice(-200),
    ),
  );
  if (unfinished) return { reasoning: text, answer: undefined };
  if (last === undefined) return { reasoning, answer: text };
  return { reasoning: reasoning ?? text.slice(0, answerStart), answer: text.slice(answerStart).trimStart() };
}

/** The answer of a model without its reasoning; empty if it has none. */
export function answerOf(text: ModelText, marks?: readonly ReasoningMarks[]): string {
  return splitReasoning(text, marks).answer ?? '';
}

/** All that a model has written, with the reasoning that its server returned apart in the first marks. */
export function wholeText(
  { text, reasoning }: ModelText,
  marks: readonly ReasoningMarks[] = REASONING_MARKS,
): string {
  const { start = '', end = '' } = marks[0] ?? {};
  return reasoning === undefined ? text : `${start}\n${reasoning.trim()}\n${end}\n\n${text.trimStart()}`;
}

/** The text with which a model learns to answer: all that it has written, or only its answer. */
export function learnedText(
  { text, reasoning }: ModelText,
  { marks, kept }: { readonly marks: readonly ReasoningMarks[]; readonly kept: boolean },
): string {
  // Text that never comes to an answer is learned as an example to avoid, so it must not become empty.
  if (!kept) return answerOf({ text }, marks).trimStart() || text;
  return wholeText({ text, reasoning }, marks);
}

/** A text without the marks of reasoning in it. */
export function withoutMarks(text: string, marks: readonly ReasoningMarks[] = REASONING_MARKS): string {
  return text.replaceAll(pattern(marks, 'start'), ' ').replaceAll(pattern(marks, 'end'), ' ');
}

const patterns = new WeakMap<readonly ReasoningMarks[], Record<'start' | 'end', RegExp>>();

/** Matches the marks at one side of the reasoning, in small or capital letters. */
function pattern(marks: readonly ReasoningMarks[], side: 'start' | 'end'): RegExp {
  let both = patterns.get(marks);
  if (both === undefined) {
    both = { start: anyOf(marks.map(({ start }) => start)), end: anyOf(marks.map(({ end }) => end)) };
    patterns.set(marks, both);
  }
  return both[side];
}

function anyOf(texts: readonly (string | undefined)[]): RegExp {
  const escaped = texts.flatMap((text) =>
    text === undefined ? [] : [text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')],
  );
  // An empty class matches nothing.
  return new RegExp(escaped.length === 0 ? '[]' : escaped.join('|'), 'gi');
}

function isQuoted(text: string, { index, 0: mark }: { readonly index: number; readonly 0: string }): boolean {
  const [before, after] = [text[index - 1], text[index + mark.length]];
  return before !== undefined && before === after && /[`'"]/.test(before);
}
