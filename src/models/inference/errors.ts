/**
 * The errors of requests to endpoints. Each class calls for one reaction of the caller. None carries the library's own
 * error, because that contains headers, and with them possibly a key.
 */

export interface InferenceErrorDetails {
  /** Base URL of the endpoint. */
  endpoint: string;
  /** HTTP status of the last answer; absent if none arrived. */
  status?: number | undefined;
  /** `x-request-id` of the last answer, for the endpoint's own logs. */
  requestId?: string | undefined;
}

/** Base of all errors of this folder. */
export class InferenceError extends Error {
  readonly endpoint: string;
  readonly status: number | undefined;
  readonly requestId: string | undefined;

  constructor(message: string, details: InferenceErrorDetails) {
    super(message);
    this.endpoint = details.endpoint;
    this.status = details.status;
    this.requestId = details.requestId;
  }
}

/** The endpoint gave no usable answer in all attempts: down, overloaded or broken. Worth another try later. */
export class EndpointUnavailable extends InferenceError {
  override readonly name = 'EndpointUnavailable';
  readonly attempts: number;
  /** The pause in seconds that the endpoint requested, if it did. */
  readonly retryAfterSeconds: number | undefined;

  constructor(
    message: string,
    details: InferenceErrorDetails & { attempts: number; retryAfterSeconds?: number | undefined },
  ) {
    super(message, details);
    this.attempts = details.attempts;
    this.retryAfterSeconds = details.retryAfterSeconds;
  }
}

/**
 * The account of the key has no credit or quota left (402, `insufficient_quota` and the like). A person must act first; then
 * the same work continues.
 */
export class CreditExhausted extends InferenceError {
  override readonly name = 'CreditExhausted';
}

/** The endpoint doesn't accept the key (401, 403), or there is none to send. A person must act first. */
export class AuthenticationFailed extends InferenceError {
  override readonly name = 'AuthenticationFailed';
}

/** The endpoint doesn't serve the requested model. A person must act first. */
export class ModelNotFound extends InferenceError {
  override readonly name = 'ModelNotFound';
  /** The models that the endpoint has; absent if it doesn't list them. */
  readonly available: readonly string[] | undefined;

  constructor(
    message: string,
    details: InferenceErrorDetails & { available: readonly string[] | undefined },
  ) {
    super(message, details);
    this.available = details.available;
  }
}

/**
 * The endpoint can't be used as it is configured: it redirects, streams, or refuses a parameter that the method needs. A
 * person must change the configuration first.
 */
export class EndpointUnsuitable extends InferenceError {
  override readonly name = 'EndpointUnsuitable';
}

export type RejectionReason = 'context-length' | 'content-filter' | 'bad-request';

/** The endpoint refuses this request for good: the record that it belongs to is skipped with the reason. */
export class RequestRejected extends InferenceError {
  override readonly name = 'RequestRejected';
  readonly reason: RejectionReason;

  constructor(message: string, details: InferenceErrorDetails & { reason: RejectionReason }) {
    super(message, details);
    this.reason = details.reason;
  }
}
