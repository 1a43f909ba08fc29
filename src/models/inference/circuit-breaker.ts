/** A circuit breaker for one endpoint: while the endpoint is down, only single probe requests are sent to it. */
import type { RetryReason } from './classify-failure.ts';

/** The breaker opens after so many failures in a row. */
const FAILURE_THRESHOLD = 5;
/** An endpoint that only refuses requests (429) counts as down if it has answered none for so long. */
const RATE_LIMITED_OUTAGE_SECONDS = 10;
const INITIAL_OPEN_SECONDS = 1;
const MAX_OPEN_SECONDS = 30;

/** closed: requests are sent; open: no request is sent; half-open: one probe request is in flight. */
export const BREAKER_STATES = ['closed', 'open', 'half-open'] as const;
export type BreakerState = (typeof BREAKER_STATES)[number];

export interface BreakerFailure {
  readonly reason: RetryReason;
  /** A description without secrets. */
  readonly text: string;
}

export interface Outage extends BreakerFailure {
  readonly since: number;
  /** The longest time between two probe requests. */
  readonly probeIntervalSeconds: number;
}

export class CircuitBreaker {
  readonly #random: () => number;
  #failures = 0;
  #answeredAt: number;
  #lastFailure: BreakerFailure | undefined;
  #firstFailureAt = 0;
  #openSeconds = 0;
  /** When the next probe request may be sent; undefined while the breaker is closed. */
  #nextProbeAt: number | undefined;
  #probing = false;

  /** @param random spreads the probe requests of many workers over time */
  constructor(now: number, random: () => number) {
    this.#answeredAt = now;
    this.#random = random;
  }

  get state(): BreakerState {
    if (this.#nextProbeAt === undefined) return 'closed';
    return this.#probing ? 'half-open' : 'open';
  }

  /** Since when requests fail, and the last failure; undefined while the breaker is closed. */
  get outage(): Outage | undefined {
    if (this.#nextProbeAt === undefined || this.#lastFailure === undefined) return undefined;
    return { ...this.#lastFailure, since: this.#firstFailureAt, probeIntervalSeconds: MAX_OPEN_SECONDS };
  }

  /** When the endpoint last answered; until then, when the breaker was created. */
  get answeredAt(): number {
    return this.#answeredAt;
  }

  /** The earliest moment at which a request may be sent. */
  readyAt(now: number): number {
    if (this.#nextProbeAt === undefined) return now;
    return this.#probing ? Infinity : Math.max(now, this.#nextProbeAt);
  }

  /** Returns whether this request is a probe. */
  recordSent(): boolean {
    if (this.#nextProbeAt === undefined) return false;
    this.#probing = true;
    return true;
  }

  /** The endpoint answered, perhaps with a permanent error, and is up. Returns whether it was down. */
  recordAnswer(now: number): boolean {
    const wasDown = this.#nextProbeAt !== undefined;
    this.#answeredAt = now;
    this.#close();
    return wasDown;
  }

  recordFailure(failure: BreakerFailure, isProbe: boolean, now: number): void {
    if (failure.reason === 'rate-limit' && now - this.#answeredAt < RATE_LIMITED_OUTAGE_SECONDS) {
      if (isProbe) this.#close();
      return;
    }
    if (this.#failures === 0) this.#firstFailureAt = now;
    this.#failures += 1;
    this.#lastFailure = failure;
    if (this.#nextProbeAt === undefined) {
      // Without credit no other request is answered either.
      if (this.#failures >= FAILURE_THRESHOLD || failure.reason === 'no-credit')
        this.#open(INITIAL_OPEN_SECONDS, now);
    } else if (isProbe) {
      this.#open(Math.min(MAX_OPEN_SECONDS, 2 * this.#openSeconds), now);
    }
  }

  /** The probe request was aborted: the next request may be the probe. */
  abandonProbe(): void {
    this.#probing = false;
  }

  #close(): void {
    this.#failures = 0;
    this.#nextProbeAt = undefined;
    this.#probing = false;
  }

  #open(pauseSeconds: number, now: number): void {
    this.#probing = false;
    this.#openSeconds = pauseSeconds;
    this.#nextProbeAt = now + pauseSeconds * (0.8 + 0.4 * this.#random());
  }
}
