/** A circuit breaker for one endpoint: one that is down is left alone, and asked by one request now and then. */
import type { RetryReason } from './failure.ts';

/** So many failures in a row, without an answer between them, and the endpoint is taken to be down. */
const FAILURES = 5;
/** One that only refuses (429) works; it counts as down when it has answered nothing for so long. */
const REFUSING_SECONDS = 10;
const FIRST_PAUSE_SECONDS = 1;
const LONGEST_PAUSE_SECONDS = 30;

/** Asked; down and left alone; asked once whether it is back. */
export const BREAKER_STATES = ['closed', 'open', 'half-open'] as const;
export type BreakerState = (typeof BREAKER_STATES)[number];

export interface BreakerFailure {
  readonly reason: RetryReason;
  /** What happened, as it may be shown. */
  readonly text: string;
}

export interface Outage extends BreakerFailure {
  readonly since: number;
  /** It is asked at least so often whether it is back. */
  readonly everySeconds: number;
}

export class Breaker {
  readonly #random: () => number;
  #failures = 0;
  #answeredAt: number;
  #last: BreakerFailure | undefined;
  #firstFailureAt = 0;
  #pauseSeconds = 0;
  /** When it is asked next; undefined while it counts as up. */
  #askAt: number | undefined;
  #probing = false;

  /** @param random spreads the looks of many workers */
  constructor(now: number, random: () => number) {
    this.#answeredAt = now;
    this.#random = random;
  }

  get state(): BreakerState {
    if (this.#askAt === undefined) return 'closed';
    return this.#probing ? 'half-open' : 'open';
  }

  /** Since when it fails, and how it failed last; undefined while it counts as up. */
  get outage(): Outage | undefined {
    if (this.#askAt === undefined || this.#last === undefined) return undefined;
    return { ...this.#last, since: this.#firstFailureAt, everySeconds: LONGEST_PAUSE_SECONDS };
  }

  /** When it last answered anything; at first, when it was made. */
  get answeredAt(): number {
    return this.#answeredAt;
  }

  /** The earliest moment at which a request may be sent. */
  readyAt(now: number): number {
    if (this.#askAt === undefined) return now;
    return this.#probing ? Infinity : Math.max(now, this.#askAt);
  }

  /** Returns whether this request is the one that finds out whether the endpoint is back. */
  sent(): boolean {
    if (this.#askAt === undefined) return false;
    this.#probing = true;
    return true;
  }

  /** An answer, good or a refusal for good: it is up. Returns whether it was down. */
  answered(now: number): boolean {
    const wasDown = this.#askAt !== undefined;
    this.#answeredAt = now;
    this.#close();
    return wasDown;
  }

  failed(failure: BreakerFailure, isProbe: boolean, now: number): void {
    if (failure.reason === 'rate-limit' && now - this.#answeredAt < REFUSING_SECONDS) {
      if (isProbe) this.#close();
      return;
    }
    if (this.#failures === 0) this.#firstFailureAt = now;
    this.#failures += 1;
    this.#last = failure;
    if (this.#askAt === undefined) {
      if (this.#failures >= FAILURES) this.#open(FIRST_PAUSE_SECONDS, now);
    } else if (isProbe) {
      this.#open(Math.min(LONGEST_PAUSE_SECONDS, 2 * this.#pauseSeconds), now);
    }
  }

  /** The request that was to find out was given up before it did: the next one may. */
  leftOpen(): void {
    this.#probing = false;
  }

  #close(): void {
    this.#failures = 0;
    this.#askAt = undefined;
    this.#probing = false;
  }

  #open(pauseSeconds: number, now: number): void {
    this.#probing = false;
    this.#pauseSeconds = pauseSeconds;
    this.#askAt = now + pauseSeconds * (0.8 + 0.4 * this.#random());
  }
}
