import type { ChatMessage } from '../../method/prompt-template.ts';
import type { SamplingParameters } from '../../method/sampling-parameters.ts';
import type { Choice, TokenUsage } from './chat-answer.ts';
import type { Endpoint } from './endpoint.ts';
import type { OnUnavailable } from './endpoint-state.ts';

/**
 * Why a request is sent: for the first time, for a sample that is missing in the answer to it, or again after a failure.
 */
export type SendReason = 'first' | 'missing-sample' | 'again';

export interface CompletionRequest {
  /** One endpoint, or several that serve the same model under the same name; the load is spread over those that answer. */
  endpoints: readonly [Endpoint, ...Endpoint[]];
  /** Whether the request waits or fails while none of them answers; `fail` by default. */
  onUnavailable?: OnUnavailable | undefined;
  messages: ChatMessage[];
  sampling: SamplingParameters;
  /** How many samples to draw (`n`). */
  samples: number;
  /** Asks for the log-probability of each token, and for as many most likely ones beside it. */
  topLogprobs?: number | undefined;
  /** Seed of the first sample; sample k has seed + k. */
  seed?: number | undefined;
  signal?: AbortSignal | undefined;
  /**
   * Once it aborts, the request is not sent any more, and not sent again after a failure; the call then throws the signal's
   * reason. If it was sent before, its answer is awaited, with the samples that the server leaves out of it. Aborts no later
   * than `signal`.
   */
  stopSending?: AbortSignal | undefined;
  /** Called before each HTTP request, when it is about to be sent. If it throws, nothing is sent and the error is passed on. */
  admit?: ((sending: SendReason) => Promise<void>) | undefined;
}

export interface Completion {
  /** As many as requested, in the order of their seeds. */
  choices: Choice[];
  usage: TokenUsage;
  /** An estimate, on the high side, of the tokens that the server used and did not count; 0 if it counts them. */
  uncounted: TokenUsage;
  /** HTTP requests that were answered with samples: one, or more if the server gives fewer samples than requested. */
  requests: number;
  /** HTTP requests that were sent for it, retries included. */
  attempts: number;
  /** Wall time of the whole call, its wait in the queue included. */
  seconds: number;
}
