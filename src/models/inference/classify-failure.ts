/** Decides what a failed request means: another attempt may help, or it fails for good and why. */
import { APIError } from 'openai';
import { ContentFiltered, InvalidAnswer } from './chat-answer.ts';
import type { RejectionReason } from './errors.ts';
import { AttemptTimedOut } from './timeout.ts';

export type RetryReason = 'timeout' | 'network' | 'rate-limit' | 'server-error' | 'invalid-answer';

export interface FailureDetails {
  /** The endpoint's message; it may contain a key that the endpoint echoed. */
  message: string;
  status?: number | undefined;
  requestId?: string | undefined;
}

export type Failure = FailureDetails &
  (
    | { kind: 'retry'; reason: RetryReason; retryAfterSeconds?: number | undefined }
    | { kind: 'unauthorized' }
    | { kind: 'model-not-found' }
    | { kind: 'samples-unsupported' }
    | { kind: 'rejected'; reason: RejectionReason }
  );

/** Classifies the error of one attempt. */
export function classifyFailure(error: unknown): Failure {
  if (!(error instanceof APIError) || error.status === undefined) return classifyLocalError(error);
  const { status, message, requestID, headers } = error as APIError<number, Headers>;
  const details = { message, status, requestId: requestID ?? undefined };
  const code = typeof error.code === 'string' ? error.code : '';
  if (status === 401 || status === 403) return { ...details, kind: 'unauthorized' };
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
  if (error.param === 'n') return { ...details, kind: 'samples-unsupported' };
  return { ...details, kind: 'rejected', reason: rejectionReason(status, code, message) };
}

/** Classifies an error without an HTTP status: there was no usable answer. */
function classifyLocalError(error: unknown): Failure {
  if (error instanceof InvalidAnswer)
    return { kind: 'retry', reason: 'invalid-answer', message: error.message };
  if (error instanceof ContentFiltered)
    return { kind: 'rejected', reason: 'content-filter', message: error.message };
  if (error instanceof AttemptTimedOut) return { kind: 'retry', reason: 'timeout', message: error.message };
  // A truncated document. The error's message would quote a part of it, which might contain a part of an echoed key.
  if (error instanceof SyntaxError) {
    return { kind: 'retry', reason: 'invalid-answer', message: 'the answer is not a complete JSON document' };
  }
  return {
    kind: 'retry',
    reason: 'network',
    message: error instanceof Error ? networkText(error) : String(error),
  };
}

/** vLLM and others return no error code, so the wording of the message decides. */
function rejectionReason(status: number, code: string, message: string): RejectionReason {
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

/** Joins the messages of an error's causes, because fetch itself only says "fetch failed". */
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
