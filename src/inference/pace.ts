/** How many requests a second one endpoint is sent: found out by what it refuses (429). */
import { RecentRequests } from './recent-requests.ts';

/** An endpoint that nothing is known of is sent so many a second, then more and more, until it refuses some or nothing is held back. */
const FIRST_RATE = 100;
const DOUBLING_SECONDS = 0.25;
/** More than this client sends anywhere. */
const UNBOUNDED = 10_000;
/** A process that stood still has seen no refusals meanwhile, so the rate hasn't proved itself. */
const LONGEST_STEP_SECONDS = 0.05;
/** What is left of the rate after a refusal. */
const KEPT = 0.9;
/** How long it takes to come back to the rate that was refused. */
const RECOVERY_SECONDS = 4;
/** The same of the first rate that is found, which is a guess. */
const FIRST_RECOVERY_SECONDS = 2;
const SLOWEST = 0.1;
/** The last ones may not have been refused yet. */
const NEARLY_ALL = 0.8;
/** So few a second say nothing of a limit: one refusal among them may have had any reason. */
const FEW = 10;
/** What an unused moment may be made up for, in seconds of the rate. */
const BURST_SECONDS = 0.1;
/** Endpoints count over a second or so: as long as that may be full, it is waited out where the endpoint doesn't say how long. */
const WINDOW_SECONDS = 1;
/** Refusals so soon after the rate fell are still due to what was sent before. */
const SETTLING_SECONDS = 0.5;
/** Below this there is no telling how many a second were accepted. */
const LEAST_SPAN_SECONDS = 0.25;

type State =
  | { readonly kind: 'starting'; rate: number; at: number }
  | { readonly kind: 'unbounded' }
  | { readonly kind: 'paced'; readonly highest: number; readonly since: number; readonly recovery: number };

interface Refusal {
  readonly sentAt: number;
  readonly retryAfterSeconds: number | undefined;
  readonly now: number;
  /** Whether it may be due to the number of requests in flight. */
  readonly tooManyInFlight: 'no' | 'maybe' | 'yes';
}

/**
 * A bucket of tokens, one for each request. Its rate falls by a tenth when a request is refused, by more where many are,
 * then rises along the cubic of TCP CUBIC (RFC 9438): soon back to near the rate that was refused, slow around it, faster
 * and faster beyond it. So it stays near a limit that lasts, and finds a higher one within seconds.
 */
export class Pace {
  #state: State;
  #tokens: number;
  #filledAt: number;
  #startedAt: number;
  #pausedUntil = 0;
  #settledAt = -1;
  readonly #recent = new RecentRequests();

  constructor(now: number) {
    this.#state = { kind: 'starting', rate: FIRST_RATE, at: now };
    this.#filledAt = now;
    this.#startedAt = now;
    this.#tokens = burstOf(FIRST_RATE);
  }

  /** Requests a second now; `Infinity` where nothing is held back. */
  rate(now: number): number {
    const rate = this.#currentRate(now);
    if (rate < UNBOUNDED) return rate;
    this.#state = { kind: 'unbounded' };
    return Infinity;
  }

  /** Whether it keeps to a rate because requests were refused. */
  get paced(): boolean {
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

  sent(now: number): void {
    this.#recent.sent(now);
    if (this.#state.kind !== 'unbounded') this.#tokens -= 1;
  }

  /** Starts anew, for an endpoint that was away: it may be colder, or another one, than it was. */
  restart(now: number): void {
    if (this.#state.kind !== 'paced') this.#state = { kind: 'starting', rate: FIRST_RATE, at: now };
    this.#startedAt = now;
    this.#tokens = 1;
    this.#filledAt = now;
  }

  /** Nothing is sent for so long. */
  pause(seconds: number, now: number): void {
    this.#pausedUntil = Math.max(this.#pausedUntil, now + seconds);
    this.#tokens = 0;
    this.#filledAt = this.#pausedUntil;
  }

  /**
   * A request was refused. The rate falls, unless it doesn't explain that: where next to nothing was accepted for a while, and the
   * endpoint is at work on what it took before, it bounds the requests in flight, not those of a second.
   * @returns which of the two is to be bounded
   */
  refused({ sentAt, retryAfterSeconds, now, tooManyInFlight }: Refusal): 'rate' | 'in-flight' {
    this.#recent.refused(sentAt);
    const before = this.rate(now);
    const { accepted, span, refusedShare } = this.#seen(now);
    const isFound = this.#state.kind === 'paced';
    if (retryAfterSeconds !== undefined) this.pause(retryAfterSeconds, now);
    else if (!isFound) this.pause(WINDOW_SECONDS, now);
    if (sentAt <= this.#settledAt) return 'rate';
    if (this.#state.kind !== 'paced') {
      // Where a guess that is too high costs a pause, the lower one is taken.
      const seconds = retryAfterSeconds === undefined ? span : Math.max(span, WINDOW_SECONDS);
      this.#slowDown(Math.max(FEW, accepted / seconds), FIRST_RECOVERY_SECONDS, now);
      return 'rate';
    }
    if (tooManyInFlight === 'yes' || (tooManyInFlight === 'maybe' && refusedShare > NEARLY_ALL))
      return 'in-flight';
    // Where each refusal costs a pause, the limit is tried less often.
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
        const step = Math.min(LONGEST_STEP_SECONDS, now - state.at);
        state.rate *= 2 ** (step / DOUBLING_SECONDS);
        state.at = now;
        return state.rate;
      }
      case 'paced': {
        const { highest, since, recovery } = state;
        const curve = (1 - KEPT) * (Math.max(0, now - since) / recovery - 1) ** 3;
        // What isn't used up says nothing of the limit.
        const used = 2 * this.#recent.since(now - 1, now).sent;
        return Math.min(highest * (1 + curve), Math.max(highest, used));
      }
    }
  }

  #slowDown(highest: number, recovery: number, now: number): void {
    const since = Math.max(now, this.#pausedUntil);
    this.#settledAt = since + (since > now ? 0 : SETTLING_SECONDS);
    this.#state = {
      kind: 'paced',
      highest: Math.max(SLOWEST, highest),
      since,
      recovery,
    };
  }

  /** What became of the requests since the start or the last pause, within the last second. */
  #seen(now: number): { accepted: number; span: number; refusedShare: number } {
    const from = Math.max(this.#startedAt, this.#pausedUntil, now - 1);
    const { sent, refused } = this.#recent.since(from, now);
    const span = Math.max(LEAST_SPAN_SECONDS, now - from);
    // At first a request or two say nothing yet.
    const isTelling = now - from >= LEAST_SPAN_SECONDS && sent > 0;
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
