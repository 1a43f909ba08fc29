import { ApplicationFailure } from '@temporalio/activity';
import { ApplicationFailureCategory } from '@temporalio/common';
import { retryAfterText } from '../models/inference/endpoint-outage.ts';
import { EndpointUnavailable } from '../models/inference/errors.ts';
import { BudgetExhausted } from '../runs/usage/usage-ledger.ts';

/** The longest delay before an endpoint is tried again, in seconds: it may have sent a wrong date. */
const MAX_RETRY_AFTER_SECONDS = 3600;

/** The failure of attempts that a stopping worker ends: another worker goes on with their work. */
export function workerStopping(): ApplicationFailure {
  return ApplicationFailure.create({
    type: 'WorkerStopping',
    message: 'The worker stops; the next attempt goes on from here.',
    category: ApplicationFailureCategory.BENIGN,
  });
}

/**
 * Converts an error to a failure for Temporal. An exhausted budget is no error of the work: the run pauses and
 * continues later with the results so far. If an endpoint asked for a delay, the next attempt comes after this delay
 * plus a random time, so that the shards that were rejected together are not retried at the same moment.
 */
export function toTemporalFailure(error: unknown): unknown {
  if (error instanceof BudgetExhausted) {
    const { name: type, message, warnings } = error;
    return ApplicationFailure.create({
      type,
      message,
      details: [...warnings],
      nonRetryable: true,
      category: ApplicationFailureCategory.BENIGN,
    });
  }
  if (!(error instanceof EndpointUnavailable) || error.retryAfterSeconds === undefined) return error;
  const { name: type, attempts, status, requestId, retryAfterSeconds } = error;
  const seconds = Math.min(retryAfterSeconds, MAX_RETRY_AFTER_SECONDS) * (1 + 0.2 * Math.random());
  return ApplicationFailure.create({
    type,
    message: `${error.message} ${retryAfterText(error.endpoint, retryAfterSeconds)}`,
    nextRetryDelay: Math.ceil(seconds * 1000),
    details: [{ attempts, status, requestId, retryAfterSeconds }],
  });
}
