import type { ChatAnswer } from './chat-answer.ts';
import type { CompletionRequest } from './completion.ts';
import type { RetryReason } from './classify-failure.ts';
import type { Endpoint } from './endpoint.ts';

/** A request with the endpoint that it is sent to first. */
export type StartedRequest = CompletionRequest & { readonly endpoint: Endpoint };

/** Is notified of every request to a model, for metrics and traces. Its functions must not throw, and must be fast. */
export interface RequestObserver {
  /** The request is about to be sent for the first time. */
  begin(request: StartedRequest): RequestObservation;
}

/** One request including its retries. The last call is `answered` or `failed`. */
export interface RequestObservation {
  /** An attempt is sent, perhaps to another endpoint than the one before. */
  sent(endpoint: Endpoint): void;
  /** The attempt failed and is retried. */
  retried(reason: RetryReason): void;
  /** @param seconds the duration of the successful attempt */
  answered(answer: ChatAnswer, seconds: number): void;
  /** @param error an error of errors.ts, or the reason of the signal */
  failed(error: unknown): void;
}

/** Forwards each call to all observers. */
export function combineObservers(observers: readonly RequestObserver[]): RequestObserver {
  return {
    begin(request) {
      const observations = observers.map((observer) => observer.begin(request));
      return {
        sent: (endpoint) => observations.forEach((observation) => observation.sent(endpoint)),
        retried: (reason) => observations.forEach((observation) => observation.retried(reason)),
        answered: (answer, seconds) =>
          observations.forEach((observation) => observation.answered(answer, seconds)),
        failed: (error) => observations.forEach((observation) => observation.failed(error)),
      };
    },
  };
}
