/** The state of one endpoint, and whether it may be sent a request now. */
import { CircuitBreaker, type BreakerState, type Outage } from './circuit-breaker.ts';
import type { TokenUsage } from './chat-answer.ts';
import type { Clock } from './clock.ts';
import type { RetryReason } from './classify-failure.ts';
import { ConcurrencyLimiter, type ConcurrencyBounds } from './concurrency-limiter.ts';
import { AdaptiveRateLimiter } from './adaptive-rate-limiter.ts';

/** Whether requests to an endpoint that is down wait until it is back, or fail after their attempts. */
export type OnUnavailable = 'wait' | 'fail';

export type RequestOutcome =
  /** The endpoint works: it answered well, or with an error that another attempt can't fix. */
  | { readonly kind: 'answered' }
  | {
      readonly kind: 'failed';
      readonly reason: RetryReason;
      /** A description without secrets. */
      readonly text: string;
      /** The pause that the endpoint requested (Retry-After). */
      readonly retryAfterSeconds: number | undefined;
    }
  /** The caller aborted the request. */
  | { readonly kind: 'aborted' };

/** A request on its way. */
export interface SentRequest {
  readonly sentAt: number;
  /** The answers that it asks for. */
  readonly samples: number;
  readonly onUnavailable: OnUnavailable;
  /** Whether it is the request that tries an endpoint that was down. */
  readonly isProbe: boolean;
}

export interface EndpointCounts extends TokenUsage {
  attempts: number;
  retries: Partial<Record<RetryReason, number>>;
  failures: number;
}

export interface EndpointStateOptions {
  readonly bounds: ConcurrencyBounds;
  readonly clock: Clock;
  readonly random: () => number;
}

export class EndpointState {
  readonly baseUrl: string;
  readonly counts: EndpointCounts = {
    attempts: 0,
    retries: {},
    failures: 0,
    promptTokens: 0,
    completionTokens: 0,
  };
  readonly #clock: Clock;
  readonly #concurrency: ConcurrencyLimiter;
  readonly #rateLimiter: AdaptiveRateLimiter;
  readonly #breaker: CircuitBreaker;

  constructor(baseUrl: string, { bounds, clock, random }: EndpointStateOptions) {
    this.baseUrl = baseUrl;
    this.#clock = clock;
    this.#concurrency = new ConcurrencyLimiter(bounds);
    this.#rateLimiter = new AdaptiveRateLimiter(clock.now());
    this.#breaker = new CircuitBreaker(clock.now(), random);
  }

  get inFlight(): number {
    return this.#concurrency.inFlight;
  }

  /** The most requests that it may have in flight now. */
  get concurrencyLimit(): number {
    return this.#concurrency.limit;
  }

  /** The most requests a second that it may be sent, after it refused some; undefined if there is no limit. */
  get rateLimit(): number | undefined {
    return this.#rateLimiter.isLimited ? this.#rateLimiter.rate(this.#clock.now()) : undefined;
  }

  get breakerState(): BreakerState {
    return this.#breaker.state;
  }

  get outage(): Outage | undefined {
    return this.#breaker.outage;
  }

  /** When the pause that it requested ends. */
  get pausedUntil(): number {
    return this.#rateLimiter.pausedUntil;
  }

  /** When it last answered anybody. */
  get answeredAt(): number {
    return this.#breaker.answeredAt;
  }

  /** Its requests in flight as a share of their limit. */
  get load(): number {
    return this.#concurrency.inFlight / this.#concurrency.limit;
  }

  /** The earliest moment at which it may be sent a request; `Infinity` before another one has ended. */
  readyAt(now: number, onUnavailable: OnUnavailable): number {
    if (this.#concurrency.isFull) return Infinity;
    const up = onUnavailable === 'wait' ? this.#breaker.readyAt(now) : now;
    return Math.max(up, this.#rateLimiter.readyAt(now));
  }

  beginRequest(onUnavailable: OnUnavailable, samples = 1): SentRequest {
    const sentAt = this.#clock.now();
    this.#concurrency.recordSent(samples);
    this.#rateLimiter.recordSent(sentAt);
    const isProbe = onUnavailable === 'wait' && this.#breaker.recordSent();
    return { sentAt, samples, onUnavailable, isProbe };
  }

  endRequest({ sentAt, samples, onUnavailable, isProbe }: SentRequest, outcome: RequestOutcome): void {
    const now = this.#clock.now();
    this.#concurrency.recordEnd(samples);
    switch (outcome.kind) {
      case 'answered':
        this.#concurrency.recordAnswer(samples);
        this.#rateLimiter.recordAnswer(now - sentAt);
        if (this.#breaker.recordAnswer(now)) this.#rateLimiter.reset(now);
        return;
      case 'aborted':
        if (isProbe) this.#breaker.abandonProbe();
        return;
      case 'failed':
        if (onUnavailable === 'wait') this.#breaker.recordFailure(outcome, isProbe, now);
        this.#slowDown(outcome, sentAt, now);
    }
  }

  /** @param waiting samples that the server says it has waiting */
  reportServerQueue(waiting: number): void {
    this.#concurrency.reportServerQueue(waiting, this.#clock.now());
  }

  #slowDown(
    { reason, retryAfterSeconds }: Extract<RequestOutcome, { kind: 'failed' }>,
    sentAt: number,
    now: number,
  ): void {
    if (reason === 'rate-limit') {
      const { canDecrease, isNearRefusedConcurrency, inFlight } = this.#concurrency;
      const isConcurrencyCause =
        !canDecrease || inFlight === 0 ? 'no' : isNearRefusedConcurrency ? 'yes' : 'maybe';
      const refusal = { sentAt, retryAfterSeconds, now, inFlight, isConcurrencyCause } as const;
      const bounded = this.#rateLimiter.recordRefusal(refusal);
      if (bounded === 'in-flight') this.#concurrency.decrease('full', sentAt, now);
      return;
    }
    if (retryAfterSeconds !== undefined) this.#rateLimiter.pause(retryAfterSeconds, now);
    if (reason === 'timeout' || reason === 'server-error')
      this.#concurrency.decrease('overload', sentAt, now);
  }
}
