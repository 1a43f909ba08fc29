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

/** Answers every sample of a request by {@link correctJudgment}. */
export function correctJudgmentsAfter(afterMilliseconds: number): Script {
  return ({ body }) => ({
    kind: 'answer',
    texts: Array.from({ length: body.n ?? 1 }, () => correctJudgment(body.messages.at(-1)?.content ?? '')),
    afterMilliseconds,
  });
}
