/**
 * What can go wrong for good when an endpoint is asked. Each class stands for one thing that a caller does about it;
 * none carries the library's own error, because that holds headers, and with them possibly a key.
 */

export interface InferenceErrorDetails {
  /** Base URL of the endpoint. */
  endpoint: string;
  /** HTTP status of the last answer; absent where none arrived. */
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
  /** How long the endpoint asked to be left alone, in seconds, where it said so. */
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

/** The endpoint doesn't accept the key (401, 403), or there is none to send. Somebody must act first. */
export class EndpointRejected extends InferenceError {
  override readonly name = 'EndpointRejected';
}

/** The endpoint doesn't serve the model that it was asked for. Somebody must act first. */
export class ModelNotFound extends InferenceError {
  override readonly name = 'ModelNotFound';
  /** The models that the endpoint has; absent where it didn't tell. */
  readonly available: readonly string[] | undefined;

  constructor(
    message: string,
    details: InferenceErrorDetails & { available: readonly string[] | undefined },
  ) {
    super(message, details);
    this.available = details.available;
  }
}

export type RefusalReason = 'context-length' | 'content-filter' | 'bad-request';

/** The endpoint works, but not on this request: the record that it belongs to is to be set aside with the reason. */
export class RequestRefused extends InferenceError {
  override readonly name = 'RequestRefused';
  readonly reason: RefusalReason;

  constructor(message: string, details: InferenceErrorDetails & { reason: RefusalReason }) {
    super(message, details);
    this.reason = details.reason;
  }
}
