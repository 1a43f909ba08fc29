/** Limits the requests per second to one endpoint; finds the limit by the requests that the endpoint refuses (429). */
import { RecentRequests } from './recent-requests.ts';

/** Requests per second at the start. The rate then doubles until the endpoint refuses a request or the rate is unbounded. */
const INITIAL_RATE = 100;
const MAX_DOUBLING_SECONDS = 0.25;
/** The rate doubles faster at an endpoint that answers faster, because its refusals would come as soon. */
const MIN_DOUBLING_SECONDS = 0.1;
/** From this rate on, requests are no longer limited: the client never sends as many. */
const UNBOUNDED_RATE = 10_000;
/** The longest time that the rate grows for at once: a blocked process has seen no refusals in the meantime. */
const MAX_STEP_SECONDS = 0.05;
/** The rate is multiplied by this after a refusal. */
const DECREASE_FACTOR = 0.9;
/** Time until the rate is back at the refused one. */
const RECOVERY_SECONDS = 4;
/** The same after the first refusal, when the rate is only a guess. */
const FIRST_RECOVERY_SECONDS = 2;
const MIN_RATE = 0.1;
/** If more than this share is refused, concurrency is the cause. It is below 1, because answers to the last requests are outstanding. */
const CONCURRENCY_REFUSED_SHARE = 0.8;
/** The lowest rate after the first refusal: a refusal among fewer requests may have another cause than a rate limit. */
const MIN_FIRST_RATE = 10;
/** The size of the bucket, in seconds of the rate. */
const BURST_SECONDS = 0.1;
/** Pause after a first refusal without Retry-After: endpoints usually count requests over a second. */
const WINDOW_SECONDS = 1;
/** Refusals of requests that were sent so soon after a decrease are due to earlier requests, and are not counted. */
const REFUSAL_LAG_SECONDS = 0.5;
/** The shortest time over which the accepted requests per second are measured. */
const MIN_SPAN_SECONDS = 0.25;

type RateState =
  | { readonly kind: 'starting'; rate: number; at: number }
  | { readonly kind: 'unbounded' }
  | { readonly kind: 'paced'; readonly highest: number; readonly since: number; readonly recovery: number };

interface Refusal {
  readonly sentAt: number;
  readonly retryAfterSeconds: number | undefined;
  readonly now: number;
  readonly inFlight: number;
  /** Whether the number of requests in flight may be the cause. */
  readonly isConcurrencyCause: 'no' | 'maybe' | 'yes';
}

/**
 * A token bucket; each request takes a token. The rate falls by a tenth when a request is refused, and by more if many
 * are. Then it rises along the cubic function of TCP CUBIC (RFC 9438): quickly back to nearly the refused rate, slowly
 * around it, and faster and faster beyond it. So it stays near a constant limit, and finds a higher one within seconds.
 */
export class AdaptiveRateLimiter {
  #state: RateState;
  #tokens: number;
  #filledAt: number;
  #startedAt: number;
  #pausedUntil = 0;
  #refusalsCountFrom = -1;
  #doublingSeconds = MAX_DOUBLING_SECONDS;
  readonly #recentRequests = new RecentRequests();

  constructor(now: number) {
    this.#state = { kind: 'starting', rate: INITIAL_RATE, at: now };
    this.#filledAt = now;
    this.#startedAt = now;
    this.#tokens = burstOf(INITIAL_RATE);
  }

  /** Requests per second now; `Infinity` if there is no limit. */
  rate(now: number): number {
    const rate = this.#currentRate(now);
    if (rate < UNBOUNDED_RATE) return rate;
    this.#state = { kind: 'unbounded' };
    return Infinity;
  }

  /** Whether the rate is limited because requests were refused. */
  get isLimited(): boolean {
    return this.#state.kind === 'paced';
  }

  get pausedUntil(): number {
    return this.#pausedUntil;
  }

  /** The earliest moment at which a request may be sent: `now` or later. */
  readyAt(now: number): number {
    if (now < this.#pausedUntil) return this.#pausedUntil;
    const rate = this.rate(now);
    if (rate === Infinity) return now;
    this.#fill(rate, now);
    return this.#tokens >= 1 ? now : now + (1 - this.#tokens) / rate;
  }

  recordSent(now: number): void {
    this.#recentRequests.sent(now);
    if (this.#state.kind !== 'unbounded') this.#tokens -= 1;
  }

  /** @param seconds how long the request took */
  recordAnswer(seconds: number): void {
    this.#doublingSeconds = Math.max(MIN_DOUBLING_SECONDS, Math.min(this.#doublingSeconds, seconds));
  }

  /** Starts again after an outage, because the endpoint may have been replaced or may need to warm up. */
  reset(now: number): void {
    if (this.#state.kind !== 'paced') this.#state = { kind: 'starting', rate: INITIAL_RATE, at: now };
    this.#doublingSeconds = MAX_DOUBLING_SECONDS;
    this.#startedAt = now;
    this.#tokens = 1;
    this.#filledAt = now;
  }

  /** Sends no request for some seconds. */
  pause(seconds: number, now: number): void {
    this.#pausedUntil = Math.max(this.#pausedUntil, now + seconds);
    this.#tokens = 0;
    this.#filledAt = this.#pausedUntil;
  }

  /**
   * A request was refused. The rate falls, unless concurrency is the cause: the endpoint accepts almost no request while
   * it works on earlier ones, so it limits the requests in flight and not those per second.
   * @returns which of the two the caller must limit
   */
  recordRefusal(refusal: Refusal): 'rate' | 'in-flight' {
    const { sentAt, retryAfterSeconds, now, inFlight, isConcurrencyCause } = refusal;
    this.#recentRequests.refused(sentAt);
    const before = this.rate(now);
    const { accepted, span, refusedShare } = this.#seen(now);
    const isFound = this.#state.kind === 'paced';
    if (retryAfterSeconds !== undefined) this.pause(retryAfterSeconds, now);
    else if (!isFound) this.pause(WINDOW_SECONDS, now);
    if (sentAt <= this.#refusalsCountFrom) return 'rate';
    if (this.#state.kind !== 'paced') {
      // A guess that is too high costs a pause, so the lower one of two guesses is taken, unless most of the accepted requests
      // are still in flight: then their number may be what is limited.
      const isAboutRate = retryAfterSeconds !== undefined || inFlight < 0.75 * accepted;
      const seconds = isAboutRate ? Math.max(span, WINDOW_SECONDS) : span;
      this.#slowDown(Math.max(MIN_FIRST_RATE, accepted / seconds), FIRST_RECOVERY_SECONDS, now);
      return 'rate';
    }
    if (
      isConcurrencyCause === 'yes' ||
      (isConcurrencyCause === 'maybe' && refusedShare > CONCURRENCY_REFUSED_SHARE)
    )
      return 'in-flight';
    // If each refusal costs a pause, the rate comes back more slowly.
    const recovery = Math.max(RECOVERY_SECONDS, 10 * (retryAfterSeconds ?? 0));
    this.#slowDown(before * Math.max(0.5, 1 - refusedShare), recovery, now);
    return 'rate';
  }

  #currentRate(now: number): number {
    const state = this.#state;
    switch (state.kind) {
      case 'unbounded':
        return Infinity;
      case 'starting': {
        const step = Math.min(MAX_STEP_SECONDS, now - state.at);
        state.rate *= 2 ** (step / this.#doublingSeconds);
        state.at = now;
        return state.rate;
      }
      case 'paced': {
        const { highest, since, recovery } = state;
        const curve = (1 - DECREASE_FACTOR) * (Math.max(0, now - since) / recovery - 1) ** 3;
        // The rate does not grow beyond twice the requests that are sent: unused, it is not tested against the limit.
        const used = 2 * this.#recentRequests.since(now - 1, now).sent;
        return Math.min(highest * (1 + curve), Math.max(highest, used));
      }
    }
  }

  #slowDown(highest: number, recovery: number, now: number): void {
    const since = Math.max(now, this.#pausedUntil);
    this.#refusalsCountFrom = since + (since > now ? 0 : REFUSAL_LAG_SECONDS);
    this.#state = {
      kind: 'paced',
      highest: Math.max(MIN_RATE, highest),
      since,
      recovery,
    };
  }

  /** Counts the requests of the last second, from the start or the last pause on. */
  #seen(now: number): { accepted: number; span: number; refusedShare: number } {
    const from = Math.max(this.#startedAt, this.#pausedUntil, now - 1);
    const { sent, refused } = this.#recentRequests.since(from, now);
    const span = Math.max(MIN_SPAN_SECONDS, now - from);
    // The share among the first one or two requests is not reliable.
    const isTelling = now - from >= MIN_SPAN_SECONDS && sent > 0;
    return { accepted: sent - refused, span, refusedShare: isTelling ? refused / sent : 0 };
  }

  #fill(rate: number, now: number): void {
    const since = Math.max(0, now - this.#filledAt);
    this.#tokens = Math.min(burstOf(rate), this.#tokens + since * rate);
    this.#filledAt = Math.max(now, this.#filledAt);
  }
}

function burstOf(rate: number): number {
  return Math.max(1, rate * BURST_SECONDS);
}
