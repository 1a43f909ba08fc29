import { ApplicationFailure } from '@temporalio/activity';
import { ApplicationFailureCategory } from '@temporalio/common';
import { EndpointUnavailable } from '../inference/errors.ts';
import { BudgetReached } from '../spending/ledger.ts';

/** The longest that an endpoint is left alone before it is asked once more, in seconds: it may have named a wrong date. */
const LONGEST_SILENCE = 3600;

/**
 * What Temporal is to be told of an error. A budget that is spent is nothing that went wrong: the run pauses, and comes back
 * to the work, of which is kept what is there. An endpoint that asked to be left alone is asked again after that time, and a
 * little more, drawn by chance: the shards that it refused together must not come back together.
 */
export function asFailure(error: unknown): unknown {
  if (error instanceof BudgetReached) {
    const { name: type, message } = error;
    return ApplicationFailure.create({
      type,
      message,
      nonRetryable: true,
      category: ApplicationFailureCategory.BENIGN,
    });
  }
  if (!(error instanceof EndpointUnavailable) || error.retryAfterSeconds === undefined) return error;
  const { name: type, message, attempts, status, requestId, retryAfterSeconds } = error;
  const seconds = Math.min(retryAfterSeconds, LONGEST_SILENCE) * (1 + 0.2 * Math.random());
  return ApplicationFailure.create({
    type,
    message,
    nextRetryDelay: Math.ceil(seconds * 1000),
    details: [{ attempts, status, requestId, retryAfterSeconds }],
  });
}
