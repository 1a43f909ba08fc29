/** Telling what a failed request of the library means: worth another attempt, or final, and for whom. */
import { APIError } from 'openai';
import { classifyError, classifyStatus, type Failure } from './failure.ts';

/** What the error of one attempt means. */
export function classifyFailure(error: unknown): Failure {
  if (!(error instanceof APIError) || error.status === undefined) return classifyError(error);
  const { status, message, code, param, requestID, headers } = error as APIError<number, Headers>;
  return classifyStatus({ status, message, code, param, requestId: requestID ?? undefined, headers });
}
