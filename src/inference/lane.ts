/** What is known of one endpoint, and whether it may be sent a request now. */
import { Breaker, type BreakerState, type Outage } from './breaker.ts';
import type { Usage } from './chat-answer.ts';
import type { Clock } from './clock.ts';
import type { RetryReason } from './failure.ts';
import { InFlightLimit, type InFlightBounds } from './in-flight-limit.ts';
import { Pace } from './pace.ts';

/** What becomes of requests to an endpoint that is down: they wait until it is back, or end in an error after their attempts. */
export type WhenDown = 'wait' | 'fail';

export type Outcome =
  /** Well, or with an error that another attempt can't mend: the endpoint works. */
  | { readonly kind: 'answered' }
  | {
      readonly kind: 'failed';
      readonly reason: RetryReason;
      /** What happened, as it may be shown. */
      readonly text: string;
      /** How long the endpoint is to be left alone. */
      readonly retryAfterSeconds: number | undefined;
    }
  /** Whoever asked doesn't want to know any more. */
  | { readonly kind: 'given-up' };

/** A request on its way. */
export interface Sending {
  readonly sentAt: number;
  readonly whenDown: WhenDown;
  /** Whether it finds out if an endpoint that was down is back. */
  readonly isProbe: boolean;
}

export interface LaneCounts extends Usage {
  attempts: number;
  retries: Partial<Record<RetryReason, number>>;
  failures: number;
}

export interface LaneOptions {
  readonly bounds: InFlightBounds;
  readonly clock: Clock;
  readonly random: () => number;
}

export class Lane {
  readonly baseUrl: string;
  readonly counts: LaneCounts = {
    attempts: 0,
    retries: {},
    failures: 0,
    promptTokens: 0,
    completionTokens: 0,
  };
  readonly #clock: Clock;
  readonly #inFlight: InFlightLimit;
  readonly #pace: Pace;
  readonly #breaker: Breaker;

  constructor(baseUrl: string, { bounds, clock, random }: LaneOptions) {
    this.baseUrl = baseUrl;
    this.#clock = clock;
    this.#inFlight = new InFlightLimit(bounds);
    this.#pace = new Pace(clock.now());
    this.#breaker = new Breaker(clock.now(), random);
  }

  get inFlight(): number {
    return this.#inFlight.inFlight;
  }

  /** Requests in flight that it is given at most now. */
  get limit(): number {
    return this.#inFlight.limit;
  }

  /** Requests a second that it is given at most after it refused some; undefined where it takes all. */
  get rate(): number | undefined {
    return this.#pace.paced ? this.#pace.rate(this.#clock.now()) : undefined;
  }

  get state(): BreakerState {
    return this.#breaker.state;
  }

  get outage(): Outage | undefined {
    return this.#breaker.outage;
  }

  /** Until when it asked to be left alone. */
  get pausedUntil(): number {
    return this.#pace.pausedUntil;
  }

  /** When it last answered anybody. */
  get answeredAt(): number {
    return this.#breaker.answeredAt;
  }

  /** The share of what it can take that is under way. */
  get load(): number {
    return this.#inFlight.inFlight / this.#inFlight.limit;
  }

  /** The earliest moment at which it may be sent a request; `Infinity` before another one has ended. */
  readyAt(now: number, whenDown: WhenDown): number {
    if (this.#inFlight.isFull) return Infinity;
    const up = whenDown === 'wait' ? this.#breaker.readyAt(now) : now;
    return Math.max(up, this.#pace.readyAt(now));
  }

  begin(whenDown: WhenDown): Sending {
    const sentAt = this.#clock.now();
    this.#inFlight.sent();
    this.#pace.sent(sentAt);
    return { sentAt, whenDown, isProbe: whenDown === 'wait' && this.#breaker.sent() };
  }

  end({ sentAt, whenDown, isProbe }: Sending, outcome: Outcome): void {
    const now = this.#clock.now();
    this.#inFlight.ended();
    switch (outcome.kind) {
      case 'answered':
        this.#inFlight.answered();
        if (this.#breaker.answered(now)) this.#pace.restart(now);
        return;
      case 'given-up':
        if (isProbe) this.#breaker.leftOpen();
        return;
      case 'failed':
        if (whenDown === 'wait') this.#breaker.failed(outcome, isProbe, now);
        this.#slowDown(outcome, sentAt, now);
    }
  }

  /** @param waiting requests that the server says it has waiting */
  serverQueue(waiting: number): void {
    this.#inFlight.serverQueue(waiting, this.#clock.now());
  }

  #slowDown(
    { reason, retryAfterSeconds }: Extract<Outcome, { kind: 'failed' }>,
    sentAt: number,
    now: number,
  ): void {
    if (reason === 'rate-limit') {
      const { canFall, isWhereRefused, inFlight } = this.#inFlight;
      const tooManyInFlight = !canFall || inFlight === 0 ? 'no' : isWhereRefused ? 'yes' : 'maybe';
      const bounded = this.#pace.refused({ sentAt, retryAfterSeconds, now, tooManyInFlight });
      if (bounded === 'in-flight') this.#inFlight.congested('full', sentAt, now);
      return;
    }
    if (retryAfterSeconds !== undefined) this.#pace.pause(retryAfterSeconds, now);
    if (reason === 'time-out' || reason === 'server-error') this.#inFlight.congested('overload', sentAt, now);
  }
}
