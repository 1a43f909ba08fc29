/** What a failed request means, whatever library sent it. */
import { AnswerFiltered, UnusableAnswer } from './chat-answer.ts';
import type { RefusalReason } from './errors.ts';
import { AttemptTimedOut } from './timeout.ts';

export type RetryReason = 'time-out' | 'network' | 'rate-limit' | 'server-error' | 'unusable-answer';

export interface FailureDetails {
  /** What happened, in the endpoint's words; may still hold a key that the endpoint echoed. */
  text: string;
  status?: number | undefined;
  requestId?: string | undefined;
}

export type Failure = FailureDetails &
  (
    | { kind: 'retry'; reason: RetryReason; retryAfterSeconds?: number | undefined }
    | { kind: 'rejected' }
    | { kind: 'model-not-found' }
    | { kind: 'samples-unsupported' }
    | { kind: 'refused'; reason: RefusalReason }
  );

/** An answer that isn't one of success, as far as it says what is wrong. */
export interface FailedAnswer {
  status: number;
  /** The endpoint's words. */
  message: string;
  /** OpenAI's name of the error, where the endpoint gives one. */
  code?: unknown;
  /** The parameter that is to blame, likewise. */
  param?: unknown;
  requestId?: string | undefined;
  headers?: Headers | undefined;
}

/** What an answer that isn't one of success means. */
export function classifyStatus(answer: FailedAnswer): Failure {
  const { status, message, headers, requestId } = answer;
  const details = { text: message, status, requestId };
  const code = typeof answer.code === 'string' ? answer.code : '';
  if (status === 401 || status === 403) return { ...details, kind: 'rejected' };
  if (status === 404 || code === 'model_not_found') return { ...details, kind: 'model-not-found' };
  if (status === 429) {
    return {
      ...details,
      kind: 'retry',
      reason: 'rate-limit',
      retryAfterSeconds: retryAfterSeconds(headers),
    };
  }
  if (status === 408 || status === 409 || status >= 500) {
    return {
      ...details,
      kind: 'retry',
      reason: 'server-error',
      retryAfterSeconds: retryAfterSeconds(headers),
    };
  }
  if (answer.param === 'n') return { ...details, kind: 'samples-unsupported' };
  return { ...details, kind: 'refused', reason: refusalReason(status, code, message) };
}

/** What it means that no usable answer came. */
export function classifyError(error: unknown): Failure {
  if (error instanceof UnusableAnswer)
    return { kind: 'retry', reason: 'unusable-answer', text: error.message };
  if (error instanceof AnswerFiltered)
    return { kind: 'refused', reason: 'content-filter', text: error.message };
  if (error instanceof AttemptTimedOut) return { kind: 'retry', reason: 'time-out', text: error.message };
  // Half a document surfaces so. The message would quote a piece of it, perhaps a piece of an echoed key that couldn't
  // be recognised as such.
  if (error instanceof SyntaxError) {
    return { kind: 'retry', reason: 'unusable-answer', text: 'the answer is no whole JSON document' };
  }
  return {
    kind: 'retry',
    reason: 'network',
    text: error instanceof Error ? networkText(error) : String(error),
  };
}

/** vLLM and others give no code of their own, so their wording decides where there is none. */
function refusalReason(status: number, code: string, message: string): RefusalReason {
  const words = `${code} ${message}`.toLowerCase();
  if (/content[_ -]?filter|content management policy|content policy|safety (system|policy)/.test(words))
    return 'content-filter';
  const tooLong =
    /context[_ -]?(length|window|size)|max_model_len|maximum model length|too many tokens|prompt is too long/;
  if (status === 413 || tooLong.test(words)) return 'context-length';
  return 'bad-request';
}

/** Seconds from `retry-after-ms` or `retry-after` (seconds or a date, RFC 9110 section 10.2.3). */
function retryAfterSeconds(headers: Headers | undefined): number | undefined {
  const milliseconds = Number.parseFloat(headers?.get('retry-after-ms') ?? '');
  if (Number.isFinite(milliseconds)) return Math.max(0, milliseconds / 1000);
  const value = headers?.get('retry-after')?.trim();
  if (!value) return undefined;
  const seconds = /^\d+(\.\d+)?$/.test(value) ? Number(value) : (Date.parse(value) - Date.now()) / 1000;
  return Number.isFinite(seconds) ? Math.max(0, seconds) : undefined;
}

/** fetch only says "fetch failed"; what failed stands in its causes. */
function networkText(error: Error): string {
  const texts: string[] = [];
  for (let cause: unknown = error; cause instanceof Error; cause = cause.cause) {
    const code = 'code' in cause && typeof cause.code === 'string' ? cause.code : undefined;
    texts.push(
      code !== undefined && !cause.message.includes(code) ? `${code} ${cause.message}`.trim() : cause.message,
    );
  }
  return [...new Set(texts)].filter(Boolean).join(': ');
}
