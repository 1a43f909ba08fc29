import type { ChatAnswer } from './chat-answer.ts';
import type { CompletionRequest } from './client.ts';
import type { RetryReason } from './failure.ts';
import type { Endpoint } from './endpoint.ts';

/** A request, and the endpoint that it is sent to first. */
export type BegunRequest = CompletionRequest & { readonly endpoint: Endpoint };

/** Hears of every request to a model, for metrics and traces. What it does must neither throw nor take time. */
export interface RequestObserver {
  /** It is the request's turn: it is about to be sent for the first time. */
  begin(request: BegunRequest): ObservedRequest;
}

/** One request with its retries. Ends with `answered` or `failed`. */
export interface ObservedRequest {
  /** It is sent, for the first time or again, perhaps to another endpoint than before. */
  sent(endpoint: Endpoint): void;
  /** The attempt failed, and is made again. */
  retried(reason: RetryReason): void;
  /** @param seconds of the attempt that was answered */
  answered(answer: ChatAnswer, seconds: number): void;
  /** @param error of errors.ts, or the reason of the signal */
  failed(error: unknown): void;
}

/** Tells all of them. */
export function observeTogether(observers: readonly RequestObserver[]): RequestObserver {
  return {
    begin(request) {
      const begun = observers.map((observer) => observer.begin(request));
      return {
        sent: (endpoint) => begun.forEach((each) => each.sent(endpoint)),
        retried: (reason) => begun.forEach((each) => each.retried(reason)),
        answered: (answer, seconds) => begun.forEach((each) => each.answered(answer, seconds)),
        failed: (error) => begun.forEach((each) => each.failed(error)),
      };
    },
  };
}
