import type { Script } from './scripted-endpoint.ts';
import type { JudgeFile } from '../../src/api/judge-file.ts';
import { LETTER_PATTERN } from '../../src/method/verdict.ts';

/** A judge.json with a short prompt. */
export function sampleJudge(changes: Partial<JudgeFile> = {}): JudgeFile {
  return {
    formatVersion: 1,
    run: 'some-run',
    iteration: 2,
    seedModel: { name: 'some-model' },
    prompt: {
      system: 'You judge.',
      examples: [{ user: 'x or y?', assistant: 'x. [[A]]' }],
      user: 'Q {instruction} (A) {responseA} (B) {responseB}',
    },
    sampling: { temperature: 0, topP: 1, maxTokens: 64 },
    verdict: {
      parser: 'one-distinct-letter',
      pattern: LETTER_PATTERN,
      letters: { A: 'A', B: 'B', C: 'tie' },
    },
    voting: {
      rule: 'majority',
      withoutVerdict: 'not-counted',
      draw: 'tie',
      sampling: { temperature: 0.7, topP: 0.9, maxTokens: 64 },
    },
    figures: [],
    ...changes,
  };
}

/** The number at the end of a response; the response with the larger one is better. */
export function responseQuality(text: string): number {
  return Number(/(\d+)\s*$/.exec(text)?.[1] ?? 0);
}

/** The text of a scripted judge that is always correct, with C for a tie. */
export function correctJudgment(question: string): string {
  const [, a = '', b = ''] = /\(A\) ([^]*) \(B\) ([^]*)$/.exec(question) ?? [];
  const difference = responseQuality(a) - responseQuality(b);
  return `I look. [[${difference > 0 ? 'A' : difference < 0 ? 'B' : 'C'}]]`;
}

/** Asks for a verdict alone. */
export const directPrompt = { user: 'Choose {instruction} (A) {responseA} (B) {responseB}' };

/** `logprobs` of a text `[[A]]` or `[[B]]` in three tokens, whose letter has this probability. */
export function letterLogprobs(letter: 'A' | 'B', probability: number) {
  const token = (text: string, chance: number) => ({ token: text, logprob: Math.log(chance) });
  const other = letter === 'A' ? 'B' : 'A';
  const top = [token(letter, probability), token(other, 1 - probability)];
  return {
    content: [
      { ...token('[[', 1), top_logprobs: [token('[[', 1)] },
      { ...token(letter, probability), top_logprobs: top },
      { ...token(']]', 1), top_logprobs: [token(']]', 1)] },
    ],
  };
}

/**
 * Answers a request with {@link directPrompt} by a letter alone, of which it is the surer the more the numbers of the responses
 * differ; all others by {@link correctJudgment}.
 */
export const directOrReasoned: Script = ({ body }) => {
  const question = body.messages.at(-1)?.content ?? '';
  if (!question.startsWith('Choose')) return { kind: 'answer', texts: [correctJudgment(question)] };
  const [, a = '', b = ''] = /\(A\) ([^]*) \(B\) ([^]*)$/.exec(question) ?? [];
  const difference = responseQuality(a) - responseQuality(b);
  // Equal responses: always the first one, as a judge with position bias.
  const letter = difference >= 0 ? 'A' : 'B';
  const probability = 1 - 0.4 ** Math.max(1, Math.abs(difference));
  return { kind: 'answer', texts: [`[[${letter}]]`], logprobs: [letterLogprobs(letter, probability)] };
};

/** Answers every sample of a request by {@link correctJudgment}. */
export function correctJudgmentsAfter(afterMilliseconds: number): Script {
  return ({ body }) => ({
    kind: 'answer',
    texts: Array.from({ length: body.n ?? 1 }, () => correctJudgment(body.messages.at(-1)?.content ?? '')),
    afterMilliseconds,
  });
}
