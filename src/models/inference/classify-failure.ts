/** Decides what a failed request means: another attempt may help, or it fails for good and why. */
import { ContentFiltered, InvalidAnswer } from './chat-answer.ts';
import type { RejectionReason } from './errors.ts';
import { HttpFailure, ParameterRefused, Redirected, StreamedAnswer } from './http-failure.ts';
import { AttemptTimedOut } from './timeout.ts';

export type RetryReason =
  'timeout' | 'network' | 'rate-limit' | 'server-error' | 'invalid-answer' | 'no-credit';

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
    /** Refused for the key, for the account, or for this prompt: only another request tells. */
    | { kind: 'forbidden' }
    | { kind: 'model-not-found' }
    | { kind: 'unsuitable'; advice: string }
    | { kind: 'rejected'; reason: RejectionReason }
  );

/** Words of accounts that must be paid first. They come with 402, 429, 403, 400 and others. */
const NO_CREDIT =
  /insufficient[_ -]?(credit|balance|funds?|quota)|(credit|balance)s?\b.{0,40}\b(too low|exhausted|insufficient|used up|depleted|ran out)|out of credits?|no credits?\b|doesn't have any credits|used all.{0,20}credits|spend(ing)?[_ -]?limit|billing_(hard_limit|not_active)|billing (hard )?limit|arrearage|payment[_ ]?required|unpaid|past invoices|exceeded_current_quota|key limit exceeded|余额不足|欠费/i;
/** The same in an answer that may quote the prompt. */
const NO_CREDIT_FOR_ANY_REQUEST = /credit balance is too low|arrearage|余额不足/i;
const INVALID_KEY =
  /api[ _-]?key[ _-](not[ _-]valid|invalid|expired)|(invalid|incorrect|expired)[ _-](api|authentication)[ _-]?key/i;
const CONTENT_FILTER =
  /content[_ -]?filter|content[_ -](management[_ -])?policy|safety (system|policy)|moderation|input was flagged|inappropriate content|content exists risk|data_inspection_failed|usage policy|guardrail/i;
const TOO_LONG =
  /context[_ -]?(length|window|size)|max_model_len|maximum model length|too many tokens|prompt is too long/i;

/** Classifies the error of one attempt. */
export function classifyFailure(error: unknown): Failure {
  if (!(error instanceof HttpFailure)) return classifyLocalError(error);
  const { status, message, headers, code } = error;
  const words = `${code} ${error.words}`;
  const details = { message, status, requestId: headers?.get('x-request-id') ?? undefined };
  const retry = (reason: RetryReason): Failure => ({
    ...{ ...details, kind: 'retry', reason },
    retryAfterSeconds: retryAfterSeconds(headers),
  });
  const isAboutRequest = status === 400 || status === 413 || status === 422;
  if (
    status === 402 ||
    (isAboutRequest ? hasNoCredit(code, error.words) : status < 500 && NO_CREDIT.test(words))
  )
    return { ...details, kind: 'retry', reason: 'no-credit' };
  if (status === 401 || (status === 400 && INVALID_KEY.test(words)))
    return { ...details, kind: 'unauthorized' };
  if (status === 429 || (status === 403 && /rate[ _-]?limit/i.test(words))) return retry('rate-limit');
  if (status === 408 || status === 409 || status === 425 || status >= 500) return retry('server-error');
  if (status === 407)
    return {
      ...details,
      kind: 'unsuitable',
      advice: 'Give the proxy its user name and password in HTTPS_PROXY or HTTP_PROXY.',
    };
  if (status === 404 || status === 405 || /\b(model_not_found|invalid_model)\b/.test(code))
    return { ...details, kind: 'model-not-found' };
  if (isAboutRequest) return { ...details, kind: 'rejected', reason: rejectionReason(status, words) };
  return { ...details, kind: 'forbidden' };
}

function hasNoCredit(code: string, words: string): boolean {
  return NO_CREDIT.test(code) || NO_CREDIT_FOR_ANY_REQUEST.test(words);
}

/** Classifies an error without an HTTP status: there was no usable answer. */
function classifyLocalError(error: unknown): Failure {
  if (error instanceof InvalidAnswer)
    return { kind: 'retry', reason: 'invalid-answer', message: error.message };
  if (error instanceof ContentFiltered)
    return { kind: 'rejected', reason: 'content-filter', message: error.message };
  if (error instanceof AttemptTimedOut) return { kind: 'retry', reason: 'timeout', message: error.message };
  if (error instanceof Redirected) {
    const advice = `Give the address to which it redirects as the base URL, if you trust it with the key.`;
    return { kind: 'unsuitable', message: error.message, advice };
  }
  if (error instanceof StreamedAnswer) {
    const advice =
      'Use a server that answers with one JSON document, or a setting of this one that turns streaming off.';
    return { kind: 'unsuitable', message: error.message, advice };
  }
  if (error instanceof ParameterRefused) {
    const advice =
      `The method needs its ${error.parameter}, so it is not left out: set a value that the model takes in the sampling of the configuration ` +
      'or of the command, such as temperature 1 and topP 1, or use another model.';
    return { kind: 'unsuitable', message: error.message, advice };
  }
  return {
    kind: 'retry',
    reason: 'network',
    message: error instanceof Error ? networkText(error) : String(error),
  };
}

/** vLLM and others return no error code, so the wording of the message decides. */
function rejectionReason(status: number, words: string): RejectionReason {
  if (CONTENT_FILTER.test(words)) return 'content-filter';
  return status === 413 || TOO_LONG.test(words) ? 'context-length' : 'bad-request';
}

/**
 * Seconds from `retry-after-ms` or `retry-after` (seconds or a date, RFC 9110 section 10.2.3). A date is compared with the
 * server's own clock, if it sent its time.
 */
function retryAfterSeconds(headers: Headers | undefined): number | undefined {
  const milliseconds = Number.parseFloat(headers?.get('retry-after-ms') ?? '');
  if (Number.isFinite(milliseconds)) return Math.max(0, milliseconds / 1000);
  const value = headers?.get('retry-after')?.trim();
  if (!value) return undefined;
  const serverTime = Date.parse(headers?.get('date') ?? '');
  const now = Number.isFinite(serverTime) ? serverTime : Date.now();
  const seconds = /^\d+(\.\d+)?$/.test(value) ? Number(value) : (Date.parse(value) - now) / 1000;
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
